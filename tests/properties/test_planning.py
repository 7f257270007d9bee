"""What holds of every plan, whatever the world it is made for."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.planner import plan
from edgetender.decide.stride import is_done, is_good, on_trial
from edgetender.model.front import PROXY, FrontState
from edgetender.model.host_port import HostPort, collide
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Health, Observed, Readiness, Status
from edgetender.model.plan import Create, EnsureFront, LowerFront, Plan, Pull, Remove, Start, Stop
from edgetender.model.target import ImageWanted, Target
from tests.builders.effort import examples
from tests.builders.loops import AMD64, FRONTED
from tests.builders.manifests import slot
from tests.builders.worlds import IMAGES, ledgers, manifests, moments, observations, target_of
from tests.fakes.clock import NOON

POLICIES = ("always", "on-failure", "never")
Case = tuple[Target, Observed, Ledger]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    document = draw(manifests(2, POLICIES))
    target = target_of(document)
    if draw(st.booleans()):
        wanted = draw(st.sampled_from(IMAGES))
        fetch = (ImageWanted("a", wanted),)
        target = Target(2, "line3", target.containers, fetch, target.considered, prune=draw(st.booleans()))
    observed = draw(observations(target.containers))
    slots: dict[str, Any] = {draw(st.sampled_from(["candidate", "accepted"])): slot(document)}
    return target, observed, draw(ledgers(observed, target.containers, slots))


many = examples(100)


def seen(observed: Observed, container: str) -> Container:
    return next(one for one in observed.containers if one.id == container)


@many
@given(cases(), moments)
def test_the_same_arguments_give_the_same_plan_in_whatever_order_the_engine_lists_them(case: Case, now):
    target, observed, ledger = case
    first = plan(target, observed, ledger, now)
    assert plan(target, observed, ledger, now) == first
    mixed = list(observed.containers)
    random.Random(4).shuffle(mixed)
    again = plan(target, Observed(tuple(mixed), observed.images, observed.pulls), ledger, now)
    assert set(again.steps) == set(first.steps)
    assert (again.wake_at, again.held) == (first.wake_at, first.held)


@many
@given(cases())
def test_what_serves_is_stopped_only_for_a_successor_that_can_run_here_or_for_a_reason_of_its_own(case: Case):
    target, observed, ledger = case
    for step in plan(target, observed, ledger, NOON).steps:
        if not isinstance(step, Stop):
            continue
        container = seen(observed, step.container)
        spec = target.spec(container.module)
        if spec is None:
            assert target.prune
        elif container.spec != spec.digest:
            assert any(one.spec == spec.digest for one in observed.of(container.module))
        elif container.ready:
            wished = container.run in ledger.restart_wanted
            double = any(
                one.spec == container.spec and one.id != container.id and one.running
                for one in observed.of(container.module)
            )
            assert wished or double
        else:
            assert (
                container.health.readiness is Readiness.FAILING
                or container.run in ledger.restart_wanted
                or double_of(container, observed)
            )


def double_of(container: Container, observed: Observed) -> bool:
    return any(one.spec == container.spec and one.id != container.id for one in observed.of(container.module))


@many
@given(cases())
def test_what_is_replaced_is_removed_only_when_its_successor_is_ready_or_done_and_no_longer_on_trial(
    case: Case,
):
    target, observed, ledger = case
    for step in plan(target, observed, ledger, NOON).steps:
        if not isinstance(step, Remove):
            continue
        container = seen(observed, step.container)
        spec = target.spec(container.module)
        if spec is None or container.spec != spec.digest:
            assert not on_trial(target, ledger)
        if spec is not None and container.spec != spec.digest:
            successors = [one for one in observed.of(container.module) if one.spec == spec.digest]
            assert any(one.ready or is_done(spec, one) for one in successors)


@many
@given(cases())
def test_a_plan_creates_only_what_is_missing_and_can_run_here(case: Case):
    target, observed, ledger = case
    steps = plan(target, observed, ledger, NOON).steps
    for step in steps:
        if isinstance(step, Create):
            assert step.spec.image in observed.images
            assert not any(one.spec == step.spec.digest for one in observed.of(step.module))
        if isinstance(step, Pull):
            assert not observed.pulling(step.image.reference)
    started = [step.module for step in steps if isinstance(step, Start)]
    assert len(started) == len(set(started))


@many
@given(cases())
def test_before_a_start_whatever_else_of_the_module_runs_is_stopped(case: Case):
    target, observed, ledger = case
    running = {one.id for one in observed.containers if one.running}
    for step in plan(target, observed, ledger, NOON).steps:
        if isinstance(step, Stop):
            running.discard(step.container)
        if isinstance(step, Start):
            assert running.isdisjoint(c.id for c in observed.of(step.module) if c.id != step.container)


@many
@given(cases(), st.text())
def test_with_the_engine_down_nothing_is_planned(case: Case, why: str):
    target, observed, ledger = case
    down = Observed(observed.containers, observed.images, observed.pulls, why)
    assert plan(target, down, ledger, NOON) == Plan()


@many
@given(cases())
def test_nothing_is_started_before_what_it_depends_on_can_serve(case: Case):
    target, observed, ledger = case
    made = plan(target, observed, ledger, NOON)
    for step in made.steps:
        spec = target.spec(step.module)
        if isinstance(step, Start) and spec is not None:
            assert all(is_good(target.spec(name), observed) for name in spec.after)
    for module, _ in made.queued:  # what serves in its place is left alone meanwhile
        assert not [step for step in made.steps if step.module == module and not isinstance(step, Pull)]


@st.composite
def trials(draw: st.DrawFn) -> Case:
    """A candidate on trial on a device that serves other modules too, some of them on ports that it wants."""
    document = draw(manifests(2, ("always",)))
    hardware = draw(st.sampled_from([AMD64, FRONTED]))
    target = target_of(document, hardware)
    observed = draw(observations(target.containers))
    wanted = [port for spec in target.containers for port in spec.host_ports]
    free = [HostPort(port, "tcp", "127.0.0.1") for port in (9500, 9501)]
    gone, behind = [], []
    for name in draw(st.lists(st.sampled_from(["x", "y", "z"]), unique=True)):
        port = draw(st.sampled_from([*wanted, *free]))
        where = replace(port, address=draw(st.sampled_from([port.address, "0.0.0.0", "10.0.0.7"])))
        fronted = draw(st.booleans())
        ready = Health(Readiness.READY, NOON)
        gone.append(
            Container(name, name, name, name, 1, IMAGES[0], Status.RUNNING, started_at=NOON, health=ready,
                      host_ports=() if fronted else (where,))
        )  # fmt: skip
        if fronted:
            behind.append(FrontState(name, PROXY, "spec", running=True, host_ports=(where,)))
    there = replace(observed, containers=(*observed.containers, *gone), fronts=tuple(behind))
    slots: dict[str, Any] = {"candidate": slot(document), "accepted": slot(document | {"version": 1})}
    return target, there, draw(ledgers(there, target.containers, slots))


@many
@given(trials())
def test_nothing_that_serves_goes_before_its_successors_are_here_unless_one_needs_its_port_now(case: Case):
    target, observed, ledger = case
    made = plan(target, observed, ledger, NOON)
    needed: list[HostPort] = []
    for step in made.steps:
        if isinstance(step, EnsureFront):
            needed += step.front.host_ports
        elif isinstance(step, Start) and (spec := target.spec(step.module)) and spec.front_spec is None:
            needed += spec.host_ports
    in_use: dict[str, tuple[HostPort, ...]] = {
        front.module: front.host_ports or () for front in observed.fronts
    }
    in_use |= {one.module: one.host_ports for one in observed.containers if one.host_ports}
    waiting = any(not is_good(spec, observed) for spec in target.containers)
    left = {
        step.module
        for step in made.steps
        if isinstance(step, Stop | LowerFront) and not target.spec(step.module)
    }
    blocked = {name for name, ports in in_use.items() if not target.spec(name) and collide(ports, needed)}
    assert blocked <= left | {one.module for one in observed.containers if not one.running}
    assert not waiting or left <= blocked


@many
@given(trials())
def test_what_is_in_the_way_is_out_of_it_before_the_port_is_taken(case: Case):
    target, observed, ledger = case
    steps = plan(target, observed, ledger, NOON).steps
    leaving = [
        n
        for n, step in enumerate(steps)
        if isinstance(step, Stop | LowerFront) and not target.spec(step.module)
    ]
    taking = [n for n, step in enumerate(steps) if isinstance(step, EnsureFront | Start)]
    waiting = any(not is_good(spec, observed) for spec in target.containers)
    assert not (waiting and leaving and taking) or max(leaving) < min(taking)
