"""What holds of every plan, whatever the world it is made for."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.planner import plan
from edgetender.decide.stride import is_done, is_good, on_trial
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed, Readiness
from edgetender.model.plan import Create, Plan, Pull, Remove, Start, Stop
from edgetender.model.target import ImageWanted, Target
from tests.builders.effort import examples
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


@many
@given(cases())
def test_what_the_manifest_has_no_more_goes_last_unless_it_may_hold_a_port_that_is_wanted(case: Case):
    target, observed, ledger = case
    waiting = [spec for spec in target.containers if not is_good(spec, observed)]
    if not on_trial(target, ledger) or not waiting:
        return
    for step in plan(target, observed, ledger, NOON).steps:
        if isinstance(step, Stop) and target.spec(step.module) is None:
            assert seen(observed, step.container).publishes
            assert any(spec.ports for spec in waiting)
