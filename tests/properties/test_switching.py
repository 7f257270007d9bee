"""What holds of every plan for modules behind a front, whatever the front does and whoever is behind it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.planner import plan
from edgetender.decide.stride import front_key, is_done
from edgetender.model.front import FrontServer, FrontState, Member
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed, Readiness, Status
from edgetender.model.plan import EnsureFront, Forget, Point, Remove, Start, Step, Stop
from edgetender.model.target import Target
from tests.builders.effort import examples
from tests.builders.loops import FRONTED
from tests.builders.manifests import slot
from tests.builders.worlds import fronts, ledgers, manifests, observations, target_of
from tests.fakes.clock import NOON
from tests.fakes.world import HeldFront

Case = tuple[Target, Observed, Ledger]
many = examples(150)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    document = draw(manifests(2, ("always", "on-failure", "never")))
    target = target_of(document, FRONTED)
    observed = draw(observations(target.containers))
    held = draw(fronts(observed.containers, target.containers))
    states = tuple(state(draw, module, front) for module, front in held.items())
    slots = {draw(st.sampled_from(["candidate", "accepted"])): slot(document)}
    return target, replace(observed, fronts=states), draw(ledgers(observed, target.containers, slots))


def state(draw: st.DrawFn, module: str, front: HeldFront) -> FrontState:
    def server(member: Member, receives: bool) -> FrontServer:
        held, since_s = draw(st.integers(0, 2)), draw(st.sampled_from([0.0, 60.0]))
        return FrontServer(member.container, member.address, receives, held, since_s)

    servers = [server(one, True) for one in front.receiving] + [server(one, False) for one in front.draining]
    answers = draw(st.booleans())
    return FrontState(
        module=module,
        mechanism=front.spec.mechanism,
        spec=front.spec.digest,
        running=draw(st.booleans()) or answers,
        answers=answers,
        target=front.target if answers and front.receiving == [front.target] else None,
        servers=tuple(servers) if answers else (),
        host_ports=draw(st.sampled_from([front.spec.host_ports, None])),
    )


def steps_of(case: Case) -> list[tuple[Step, Observed, Target, Ledger]]:
    target, observed, ledger = case
    return [
        (step, observed, target, ledger)
        for step in plan(target, observed, ledger, NOON).steps
        if (spec := target.spec(step.module)) is not None and spec.front_spec is not None
    ]


@many
@given(cases())
def test_requests_are_sent_only_to_a_container_that_is_ready_and_where_it_is(case: Case):
    for step, observed, target, _ in steps_of(case):
        member = step.member if isinstance(step, Point | EnsureFront) else None
        if member is None:
            continue
        (container,) = (c for c in observed.of(step.module) if c.id == member.container)
        assert container.ready
        assert container.address == member.address
        spec = target.spec(step.module)
        assert spec is not None
        if container.spec != spec.digest:  # back to the one before: only when the new one gave up
            new = [c for c in observed.of(step.module) if c.spec == spec.digest]
            assert not any(c.ready for c in new if observed.front(step.module).receives(c.id))


@many
@given(cases())
def test_the_one_that_alone_receives_requests_is_stopped_only_for_a_reason_of_its_own(case: Case):
    for step, observed, target, ledger in steps_of(case):
        front, spec = observed.front(step.module), target.spec(step.module)
        if not isinstance(step, Stop) or front is None or spec is None or not front.receives(step.container):
            continue
        container = next(c for c in observed.containers if c.id == step.container)
        receiving = [c for c in observed.of(step.module) if front.receives(c.id) and c.running]
        finished = any(is_done(spec, c) for c in observed.of(step.module) if c.spec == spec.digest)
        if container.spec == spec.digest:
            assert (
                container.run in ledger.restart_wanted
                or container.health.readiness is Readiness.FAILING
                or len([c for c in observed.of(step.module) if c.spec == spec.digest]) > 1
            )
        else:
            assert len(receiving) > 1 or finished or container.publishes


@many
@given(cases())
def test_after_a_start_two_run_at_most_and_the_other_is_the_one_that_serves(case: Case):
    _, observed, _ = case
    running = {c.id for c in observed.containers if c.running}
    for step, _, _, _ in steps_of(case):
        if isinstance(step, Stop):
            running.discard(step.container)
        if isinstance(step, Start):
            left = [c for c in observed.of(step.module) if c.id in running and c.id != step.container]
            assert len(left) <= 1
            front = observed.front(step.module)
            unknown = front is not None and not front.answers
            assert all(c.publishes or unknown or (front and front.receives(c.id)) for c in left)


@many
@given(cases())
def test_a_container_behind_the_front_is_taken_out_before_it_is_stopped_or_removed(case: Case):
    forgotten = set()
    for step, observed, target, _ in steps_of(case):
        front, spec = observed.front(step.module), target.spec(step.module)
        if isinstance(step, Forget):
            forgotten.add(step.container)
            continue
        if not isinstance(step, Stop | Remove) or front is None or front.server(step.container) is None:
            continue
        container = next(c for c in observed.containers if c.id == step.container)
        replaced = spec is not None and container.spec != spec.digest and not container.publishes
        assert not replaced or step.container in forgotten


@many
@given(cases())
def test_what_still_answers_requests_is_waited_for_and_looked_at_soon(case: Case):
    target, observed, ledger = case
    stride = plan(target, observed, ledger, NOON)
    touched = {step.container for step in stride.steps if isinstance(step, Stop | Remove | Forget)}
    for spec in target.containers:
        front = observed.front(spec.module)
        if spec.front_spec is None or front is None or not front.answers or front.target is None:
            continue
        current = next((c for c in observed.of(spec.module) if c.id == front.target.container), None)
        if current is None or current.spec != spec.digest or not current.ready:
            continue
        if front.spec != spec.front_spec.digest or current.run in ledger.restart_wanted:
            continue
        for other in observed.of(spec.module):
            server = front.server(other.id)
            waits = server is not None and server.connections > 0 and server.since_s == 0.0
            if waits and other.spec != spec.digest and other.status is Status.RUNNING:
                assert other.id not in touched


@many
@given(cases())
def test_a_front_that_is_down_is_brought_up_though_its_module_is_not_ready(case: Case):
    target, observed, ledger = case
    brought_up = {step.module for step, *_ in steps_of(case) if isinstance(step, EnsureFront)}
    for spec in target.containers:
        front = observed.front(spec.module)
        if front is None or spec.front_spec is None or front.spec != spec.front_spec.digest or front.running:
            continue
        ready = any(c.ready for c in observed.of(spec.module) if c.spec == spec.digest)
        waits = front_key(spec) in ledger.attempts or observed.engine_down is not None
        assert ready or waits or spec.module in brought_up
