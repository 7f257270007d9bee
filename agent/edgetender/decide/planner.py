"""Which steps bring the device closer to its target? Pure: same arguments, same plan.

A plan is a stride: only what is safe now. After it everything is observed and planned again, so an
interruption at any point needs no code of its own: what is left is what the next plan says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from edgetender.decide.stride import (
    Waits,
    ended_once,
    farewell,
    is_done,
    is_good,
    may_try,
    on_trial,
    preference,
    pull_key,
    restarts,
    run_key,
    unready,
)
from edgetender.decide.switching import switching
from edgetender.model.host_port import HostPort, collide
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed, Readiness, Status
from edgetender.model.plan import Create, EnsureFront, LowerFront, Plan, Pull, Remove, Start, Step, Stop
from edgetender.model.target import ContainerSpec, ImageWanted, Target


def plan(target: Target, observed: Observed, ledger: Ledger, now: datetime) -> Plan:
    """Return the next stride from *observed* towards *target*.

    Nothing that serves is stopped before its successor is created from an image that is here, nothing is
    removed before its successor is ready or done, and while a candidate is on trial what it replaces is only
    stopped: the way back needs no registry, and no image that somebody pruned. A module whose last try failed
    waits for its back-off while its neighbours go on; one that depends on others is started after they are
    ready, and until then whatever serves in its place goes on. With the engine down there is nothing to do.
    """
    if observed.engine_down is not None:
        return Plan()
    steps: list[Step] = []
    waits: Waits = {}
    for wanted in target.fetch:
        steps += _pull(wanted, observed, ledger, now, waits)
    queued: dict[str, str] = {}
    for spec in sorted(target.containers, key=lambda spec: spec.module):
        front = spec.front_spec
        if front is None:
            mine = [*_stride(spec, target, observed, ledger, now, waits)]
        else:
            mine = [*switching(spec, front, target, observed, ledger, now, waits)]
        if (missing := unready(spec, target, observed)) and any(isinstance(step, Start) for step in mine):
            queued[spec.module] = f"starts when {' and '.join(missing)} can serve"
            steps += [step for step in mine if isinstance(step, EnsureFront)]
        else:
            steps += mine
    if target.prune:
        first, last = _partings(target, observed, ledger, _wanted_now(steps, target))
        steps = [*first, *steps, *last]
    return Plan(
        tuple(steps),
        wake_at=min((moment for moment, _ in waits.values()), default=None),
        held=tuple((name, why) for name, (_, why) in sorted(waits.items())),
        queued=tuple(sorted(queued.items())),
    )


def _wanted_now(steps: list[Step], target: Target) -> tuple[HostPort, ...]:
    """The host ports that *steps* cannot do without."""
    wanted: list[HostPort] = []
    for step in steps:
        match step:
            case EnsureFront(front=front):
                wanted += front.host_ports
            case Start(module=module) if (spec := target.spec(module)) and spec.front_spec is None:
                wanted += spec.host_ports
    return tuple(wanted)


def _partings(
    target: Target, observed: Observed, ledger: Ledger, wanted: tuple[HostPort, ...]
) -> tuple[list[Step], list[Step]]:
    """Take leave of what the manifest has no more: first of what holds a host port that is *wanted*, last of the rest.

    While a candidate is on trial and not all of its modules serve, the rest stays, unless there is no room for both.
    """
    trial = on_trial(target, ledger)
    waiting = any(not is_good(spec, observed) for spec in target.containers)
    patient = trial and waiting and not target.room_first
    # one whose next image is still being resolved has no specification yet, and is the manifest's all the same
    staying = target.modules | {missing.module for missing in target.fetch}
    first: list[Step] = []
    last: list[Step] = []
    fronts = {front.module: front for front in observed.fronts if front.module not in staying}
    in_the_way = {name for name, front in fronts.items() if _holds_any(front.host_ports, wanted)}
    for name in fronts:
        if name in in_the_way or not patient:
            (first if name in in_the_way else last).append(LowerFront(name))
    for container in observed.containers:
        if container.module in staying:
            continue
        blocks = container.module in in_the_way or collide(container.host_ports, wanted)
        if blocks or not patient:
            parting = farewell(container, "the manifest has no such module", keep=trial)
            (first if blocks else last).extend(parting)
    return first, last


def _holds_any(held: tuple[HostPort, ...] | None, wanted: tuple[HostPort, ...]) -> bool:
    return bool(wanted) if held is None else collide(held, wanted)


def _pull(
    wanted: ImageWanted,
    observed: Observed,
    ledger: Ledger,
    now: datetime,
    waits: Waits,
) -> Iterator[Step]:
    if observed.pulling(wanted.reference):
        return
    if may_try(pull_key(wanted.reference), wanted.module, ledger, now, waits):
        yield Pull(wanted.module, wanted)


def _stride(  # noqa: C901  # one case per state a container can be in
    spec: ContainerSpec,
    target: Target,
    observed: Observed,
    ledger: Ledger,
    now: datetime,
    waits: Waits,
) -> Iterator[Step]:
    """Yield the steps for one module; none while it is well or waits."""
    mine = sorted((c for c in observed.of(spec.module) if c.spec == spec.digest), key=preference)
    others = [c for c in observed.of(spec.module) if c.spec != spec.digest]
    key = run_key(spec.module, spec.digest)
    if not mine:
        if spec.image in observed.images and may_try(key, spec.module, ledger, now, waits):
            yield Create(spec.module, spec, target.version or 0)
        return
    current, *doubles = mine
    for double in doubles:
        yield from farewell(double, "a second container of the same kind")
    match current.status:
        case Status.CREATED | Status.PAUSED:  # the latter by somebody's hand
            if may_try(key, spec.module, ledger, now, waits):
                yield from _make_room(others, spec, observed)
                yield Start(spec.module, current.id)
        case Status.RUNNING | Status.RESTARTING:
            if current.run in ledger.restart_wanted:
                yield Stop(spec.module, current.id, spec.stop_grace_s, "a restart was asked for")
            elif current.health.readiness is Readiness.FAILING and may_try(
                key, spec.module, ledger, now, waits
            ):
                why = f"not ready: {current.health.detail}"
                yield Stop(spec.module, current.id, spec.stop_grace_s, why)
            elif current.ready:
                yield from _lower(spec, observed)
                yield from _farewells(others, target, ledger)
        case Status.EXITED:
            yield from _start_again(spec, current, others, target, observed, ledger, now, waits)
        case Status.DEAD:  # and one that the engine is removing is waited for: an event will say so
            yield Remove(spec.module, current.id)


def _start_again(
    spec: ContainerSpec,
    current: Container,
    others: list[Container],
    target: Target,
    observed: Observed,
    ledger: Ledger,
    now: datetime,
    waits: Waits,
) -> Iterator[Step]:
    asked, ours = current.run in ledger.restart_wanted, current.id in ledger.stopped
    if is_done(spec, current) and not (asked or ours):
        yield from _farewells(others, target, ledger)
    if not (asked or ours or restarts(spec.restart, current.exit_code)):
        return
    key = run_key(spec.module, spec.digest)
    at_once = asked or ended_once(current, ledger.attempts.get(key))
    if at_once or may_try(key, spec.module, ledger, now, waits):
        yield from _make_room(others, spec, observed)
        yield Start(spec.module, current.id, again=not ours)


def _make_room(others: list[Container], spec: ContainerSpec, observed: Observed) -> Iterator[Step]:
    # only one can hold the host port; the successor exists by now, so its image is good
    yield from _lower(spec, observed)
    for other in others:
        if other.running:
            yield Stop(spec.module, other.id, spec.stop_grace_s, "replaced")


def _lower(spec: ContainerSpec, observed: Observed) -> Iterator[Step]:
    """Its ports are its own again."""
    if observed.front(spec.module) is not None:
        yield LowerFront(spec.module)


def _farewells(others: list[Container], target: Target, ledger: Ledger) -> Iterator[Step]:
    for other in others:
        yield from farewell(other, "replaced", keep=on_trial(target, ledger))
