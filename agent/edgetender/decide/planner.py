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
    removed before its successor is ready; a module whose last try failed waits for its back-off while its
    neighbours go on. With the engine down there is nothing to do.
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
                steps += _farewell(container, "the manifest has no such module")
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
            if current.id in ledger.restart_wanted:
                yield Stop(spec.module, current.id, spec.stop_grace_s, "a restart was asked for")
            elif current.health.readiness is Readiness.FAILING and _may_try(
                key, spec.module, ledger, now, waits
            ):
                why = f"not ready: {current.health.detail}"
                yield Stop(spec.module, current.id, spec.stop_grace_s, why)
            elif current.ready:
                for other in others:
                    yield from _farewell(other, "replaced")
        case Status.EXITED:
            yield from _start_again(spec, current, others, ledger, now, waits)
        case Status.DEAD | Status.REMOVING:
            yield Remove(spec.module, current.id)


def _start_again(
    spec: ContainerSpec,
    current: Container,
    others: list[Container],
    ledger: Ledger,
    now: datetime,
    waits: dict[str, tuple[datetime, str]],
) -> Iterator[Step]:
    asked = current.id in ledger.restart_wanted
    if not asked and not _restarts(spec.restart, current.exit_code):
        return
    key = run_key(spec.module, spec.digest)
    if asked or _may_try(key, spec.module, ledger, now, waits):
        yield from _stop_running(others, spec)
        yield Start(spec.module, current.id, again=True)


def _stop_running(others: list[Container], spec: ContainerSpec) -> Iterator[Step]:
    # only one can hold the host port; the successor exists by now, so its image is good
    for other in others:
        if other.running:
            yield Stop(spec.module, other.id, spec.stop_grace_s, "replaced")


def _farewell(container: Container, why: str) -> Iterator[Step]:
    if container.running:
        yield Stop(container.module, container.id, 10.0, why)
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


def _preference(container: Container) -> tuple[bool, bool, str]:
    """Running first, then created, then by id: which of several equal containers to keep."""
    return (not container.running, container.status is not Status.CREATED, container.id)
