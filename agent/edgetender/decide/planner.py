"""Which steps bring the device closer to its target? Pure: same arguments, same plan.

A plan is a stride: only what is safe now. After it everything is observed and planned again, so an
interruption at any point needs no code of its own: what is left is what the next plan says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from edgetender.decide.backoff import due_at, is_due
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed, Readiness, Status
from edgetender.model.plan import Create, Plan, Pull, Remove, Start, Step, Stop
from edgetender.model.target import ContainerSpec, ImageWanted, Target


def pull_key(reference: str) -> str:
    """The name of pulling *reference* in the ledger's attempts."""
    return f"pull:{reference}"


def run_key(module: str, spec: str) -> str:
    """The name of keeping one container spec running in the ledger's attempts."""
    return f"run:{module}:{spec[:12]}"


def plan(target: Target, observed: Observed, ledger: Ledger, now: datetime) -> Plan:
    """Return the next stride from *observed* towards *target*.

    Nothing that serves is stopped before its successor is created from an image that is here, nothing is
    removed before its successor is ready or done, and while a candidate is on trial what it replaces is only
    stopped: the way back needs no registry, and no image that somebody pruned. A module whose last try failed
    waits for its back-off while its neighbours go on. With the engine down there is nothing to do.
    """
    if observed.engine_down is not None:
        return Plan()
    steps: list[Step] = []
    waits: dict[str, tuple[datetime, str]] = {}
    for wanted in target.fetch:
        steps += _pull(wanted, observed, ledger, now, waits)
    for spec in sorted(target.containers, key=lambda spec: spec.module):
        steps += _stride(spec, target, observed, ledger, now, waits)
    if target.prune:
        for container in observed.containers:
            if container.module not in target.modules:
                steps += _farewell(
                    container, "the manifest has no such module", keep=on_trial(target, ledger)
                )
    return Plan(
        tuple(steps),
        wake_at=min((moment for moment, _ in waits.values()), default=None),
        held=tuple((name, why) for name, (_, why) in sorted(waits.items())),
    )


def _pull(
    wanted: ImageWanted,
    observed: Observed,
    ledger: Ledger,
    now: datetime,
    waits: dict[str, tuple[datetime, str]],
) -> Iterator[Step]:
    if observed.pulling(wanted.reference):
        return
    if _may_try(pull_key(wanted.reference), wanted.module, ledger, now, waits):
        yield Pull(wanted.module, wanted)


def _stride(  # noqa: C901  # one case per state a container can be in
    spec: ContainerSpec,
    target: Target,
    observed: Observed,
    ledger: Ledger,
    now: datetime,
    waits: dict[str, tuple[datetime, str]],
) -> Iterator[Step]:
    """Yield the steps for one module; none while it is well or waits."""
    mine = sorted((c for c in observed.of(spec.module) if c.spec == spec.digest), key=_preference)
    others = [c for c in observed.of(spec.module) if c.spec != spec.digest]
    key = run_key(spec.module, spec.digest)
    if not mine:
        if spec.image in observed.images and _may_try(key, spec.module, ledger, now, waits):
            yield Create(spec.module, spec, target.version or 0)
        return
    current, *doubles = mine
    for double in doubles:
        yield from _farewell(double, "a second container of the same kind")
    match current.status:
        case Status.CREATED:
            if _may_try(key, spec.module, ledger, now, waits):
                yield from _stop_running(others, spec)
                yield Start(spec.module, current.id)
        case Status.RUNNING | Status.RESTARTING | Status.PAUSED:
            if current.run in ledger.restart_wanted:
                yield Stop(spec.module, current.id, spec.stop_grace_s, "a restart was asked for")
            elif current.health.readiness is Readiness.FAILING and _may_try(
                key, spec.module, ledger, now, waits
            ):
                why = f"not ready: {current.health.detail}"
                yield Stop(spec.module, current.id, spec.stop_grace_s, why)
            elif current.ready:
                yield from _farewells(others, target, ledger)
        case Status.EXITED:
            yield from _start_again(spec, current, others, target, ledger, now, waits)
        case Status.DEAD:  # and one that the engine is removing is waited for: an event will say so
            yield Remove(spec.module, current.id)


def _start_again(
    spec: ContainerSpec,
    current: Container,
    others: list[Container],
    target: Target,
    ledger: Ledger,
    now: datetime,
    waits: dict[str, tuple[datetime, str]],
) -> Iterator[Step]:
    asked, ours = current.run in ledger.restart_wanted, current.id in ledger.stopped
    if is_done(spec, current) and not (asked or ours):
        yield from _farewells(others, target, ledger)
    if not (asked or ours or _restarts(spec.restart, current.exit_code)):
        return
    key = run_key(spec.module, spec.digest)
    if asked or _may_try(key, spec.module, ledger, now, waits):
        yield from _stop_running(others, spec)
        yield Start(spec.module, current.id, again=not ours)


def _stop_running(others: list[Container], spec: ContainerSpec) -> Iterator[Step]:
    # only one can hold the host port; the successor exists by now, so its image is good
    for other in others:
        if other.running:
            yield Stop(spec.module, other.id, spec.stop_grace_s, "replaced")


def on_trial(target: Target, ledger: Ledger) -> bool:
    """Whether *target* is that of a candidate, not judged yet."""
    return ledger.candidate is not None and target.version == ledger.candidate.version


def _farewells(others: list[Container], target: Target, ledger: Ledger) -> Iterator[Step]:
    for other in others:
        yield from _farewell(other, "replaced", keep=on_trial(target, ledger))


def _farewell(container: Container, why: str, *, keep: bool = False) -> Iterator[Step]:
    if container.running:
        yield Stop(container.module, container.id, 10.0, why)
    if not keep:
        yield Remove(container.module, container.id)


def _may_try(
    key: str, module: str, ledger: Ledger, now: datetime, waits: dict[str, tuple[datetime, str]]
) -> bool:
    attempt = ledger.attempts.get(key)
    if attempt is None or is_due(key, attempt, now):
        return True
    waits[module] = (due_at(key, attempt), attempt.reason)
    return False


def _restarts(policy: str, exit_code: int | None) -> bool:
    return policy == "always" or (policy == "on-failure" and exit_code != 0)


def is_done(spec: ContainerSpec, container: Container) -> bool:
    """Whether it ended well and is not meant to run on: a job that did its work."""
    return container.status is Status.EXITED and container.exit_code == 0 and spec.restart != "always"


def _preference(container: Container) -> tuple[bool, bool, bool, str]:
    """Running first, then created, then ended, then by id: which of several equal containers to keep."""
    status = container.status
    return (not container.running, status is not Status.CREATED, status is not Status.EXITED, container.id)
