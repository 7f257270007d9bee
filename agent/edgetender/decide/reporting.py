"""What is said of the modules: the state of each, and why it is not as it should be. Pure.

One source for `edgetender status`, the page, the cloud and the log: whoever asks why gets the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from edgetender.decide.resolving import resolution_key
from edgetender.decide.stride import front_key, pull_key, reached, run_key
from edgetender.model.ledger import Death, Ledger
from edgetender.model.observed import Container, Observed, PullProgress, Readiness, Status
from edgetender.model.plan import Plan
from edgetender.model.target import ContainerSpec, Target


class ModuleState(StrEnum):
    RUNNING = "running"  # and ready
    STARTING = "starting"
    PULLING = "pulling"
    WAITING = "waiting"  # for a back-off or for an image
    UNHEALTHY = "unhealthy"
    BACKOFF = "backoff"  # ended, started again when its back-off is over
    STOPPED = "stopped"  # ended, and not to be restarted
    BLOCKED = "blocked"  # nothing can be done here without a new manifest or other hardware


class Reason(NamedTuple):
    """Why a module is not as it should be: *code* for programs, *text* for people; both empty: it is."""

    code: str = ""
    text: str = ""


WELL = Reason()
UNSERVED = Reason("front.not_switched", "ready; its front does not send requests to it yet")
BLOCKED = "variant.none_fits"


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """One module as people see it. *why* is empty when all is well; *code* is its stable name for programs."""

    name: str
    state: ModuleState
    variant: str = ""
    version: int | None = None
    image: str = ""
    ready: bool = False
    restarts: int = 0
    since: datetime | None = None
    why: str = ""
    code: str = ""
    pull: PullProgress | None = None
    ports: tuple[str, ...] = ()
    death: Death | None = None


def module_reports(
    target: Target, observed: Observed, ledger: Ledger, plan: Plan
) -> tuple[ModuleReport, ...]:
    """One report per module of the target, of its fetches and of its blocked ones, by name.

    Where nothing was accepted yet, also of those that wait for their first time.
    """
    first = {one.module for one in target.considered} if target.version is None else set()
    names = target.modules | {one.module for one in target.fetch} | dict(target.blocked).keys() | first
    return tuple(_report(name, target, observed, ledger, plan) for name in sorted(names))


def _report(name: str, target: Target, observed: Observed, ledger: Ledger, plan: Plan) -> ModuleReport:
    spec, blocked = target.spec(name), dict(target.blocked).get(name)
    wanted = {one.module: one for one in target.fetch}.get(name)
    shut = target.gate.download or target.gate.apply
    container = _current(name, spec, observed)
    pull = next((p for p in observed.pulls if wanted and p.reference == wanted.reference), None)
    attempt = ledger.attempts.get(pull_key(wanted.reference)) if wanted else None
    state, reason = _state(spec, container, pull, ledger)
    if state is ModuleState.RUNNING and spec and container and not _served(spec, container, observed):
        failed = ledger.attempts.get(front_key(spec))
        state, reason = ModuleState.STARTING, Reason(failed.code, failed.reason) if failed else UNSERVED
    if state is ModuleState.WAITING and blocked:
        state, reason = ModuleState.BLOCKED, Reason(BLOCKED, blocked)
    elif blocked and reason is WELL:
        reason = Reason(BLOCKED, f"the new version cannot run here: {blocked}")
    if attempt is not None and pull is None and reason is WELL:
        tries = "once" if attempt.failures == 1 else f"{attempt.failures} times"
        reason = Reason(attempt.code, f"new image not here: {attempt.reason} (tried {tries})")
    if state is ModuleState.WAITING and reason is WELL:
        reason = (
            Reason("engine.down", observed.engine_down)
            if observed.engine_down
            else _held(name, dict(plan.held), spec, ledger)
        )
    if state is ModuleState.WAITING and reason is WELL and shut is not None:
        reason = Reason(shut.code, shut.why)
    if reason is WELL and (queued := dict(plan.queued).get(name)):
        reason = Reason("module.depends_on", queued)
    choice = ledger.choices.get(resolution_key(ledger.accepted, name)) if ledger.accepted else None
    if reason is WELL and choice is not None and choice.waits:
        reason = Reason(choice.waits_code, f"{choice.better} {choice.waits}")
    return ModuleReport(
        name=name,
        state=state,
        variant=_variant(spec, container),
        version=container.version if container else None,
        image=spec.image if spec else (wanted.reference if wanted else ""),
        ready=container.ready if container else False,
        restarts=ledger.restarts.get(name, 0),
        since=_since(container),
        why=reason.text,
        code=reason.code,
        pull=pull,
        ports=tuple(f"{p.address}:{p.host}->{p.container}/{p.protocol}" for p in spec.ports) if spec else (),
        death=ledger.deaths.get(name),
    )


def _variant(spec: ContainerSpec | None, container: Container | None) -> str:
    """The one that serves, also while another is on its way; two may share one container."""
    if spec is None:
        return ""
    if container is None or container.spec == spec.digest:
        return spec.variant
    return container.variant or spec.variant


def _held(name: str, held: dict[str, str], spec: ContainerSpec | None, ledger: Ledger) -> Reason:
    if name not in held:
        return WELL
    attempt = ledger.attempts.get(run_key(name, spec.digest)) if spec else None
    return Reason(attempt.code if attempt else "backoff", held[name])


def _state(
    spec: ContainerSpec | None, container: Container | None, pull: PullProgress | None, ledger: Ledger
) -> tuple[ModuleState, Reason]:
    if container is None or (spec is None and not container.running):
        return (ModuleState.PULLING if pull else ModuleState.WAITING), WELL
    attempt = ledger.attempts.get(run_key(container.module, container.spec))
    tried = Reason(attempt.code, attempt.reason) if attempt else WELL
    health = container.health
    detail = Reason("health.not_ready", health.detail) if health.detail else WELL
    match container.status:
        case Status.RUNNING if health.readiness is Readiness.FAILING:
            return ModuleState.UNHEALTHY, detail
        case Status.RUNNING:
            ready = health.readiness is Readiness.READY
            return (ModuleState.RUNNING if ready else ModuleState.STARTING), detail
        case Status.CREATED | Status.RESTARTING:
            return ModuleState.STARTING, tried
        case Status.PAUSED:
            return ModuleState.UNHEALTHY, Reason("container.paused", "someone paused the container")
        case Status.EXITED | Status.DEAD | Status.REMOVING:
            code = container.exit_code
            if spec is not None and (spec.restart == "never" or _done(spec, container)):
                ended = f"ended with code {code}; restart: {spec.restart}"
                return ModuleState.STOPPED, Reason("container.exited", ended)
            return ModuleState.BACKOFF, _end(container, tried, ledger)


def _end(container: Container, tried: Reason, ledger: Ledger) -> Reason:
    """Why it does not run: how it ended, unless starting it again failed otherwise since."""
    death = ledger.deaths.get(container.module)
    if tried.code not in ("", "container.exited"):
        return tried
    if death is not None and death.at == container.finished_at:  # it may have been asked to
        return Reason("container.exited", death.reason)
    return tried if tried.code else Reason("container.exited", f"exit code {container.exit_code}")


def _served(spec: ContainerSpec, container: Container, observed: Observed) -> bool:
    """Whether the module's requests come to the container that speaks for it, be it the old one or the new."""
    front = observed.front(spec.module)
    known = front is not None and front.receives(container.id)
    return container.publishes or known or reached(spec, container, observed)


def _done(spec: ContainerSpec, container: Container) -> bool:
    return spec.restart == "on-failure" and container.exit_code == 0


def _current(name: str, spec: ContainerSpec | None, observed: Observed) -> Container | None:
    """The container that speaks for the module: the one that serves, else the one that shall."""
    all_of_it = observed.of(name)
    mine = [c for c in all_of_it if spec is not None and c.spec == spec.digest]
    serving = [c for c in all_of_it if c.running]
    return next(iter([c for c in mine if c.running] or serving or mine or list(all_of_it)), None)


def _since(container: Container | None) -> datetime | None:
    if container is None:
        return None
    if container.ready:
        return container.health.since or container.started_at
    return container.finished_at if container.status is Status.EXITED else container.started_at


def health_word(reports: tuple[ModuleReport, ...], observed: Observed, ledger: Ledger) -> str:
    """`healthy`, `degraded`, `waiting` (nothing deployed yet) or `engine down`."""
    if observed.engine_down is not None:
        return "engine down"
    if ledger.accepted is None and ledger.candidate is None:
        return "waiting"
    return "healthy" if all(_is_well(report) for report in reports) else "degraded"


def _is_well(report: ModuleReport) -> bool:
    if report.state is ModuleState.STOPPED:  # a job; its last end is the one that counts
        return report.death is None or report.death.exit_code == 0
    stuck = report.code == BLOCKED or report.why.startswith("new image")
    return report.state is ModuleState.RUNNING and not stuck
