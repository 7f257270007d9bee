"""Is the candidate good? Wait, accept it, demote a variant, or roll back. Pure: a function of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edgetender.decide.planner import run_key
from edgetender.model.ledger import Condemnation, Demotion, Desired, Ledger
from edgetender.model.observed import Observed, Readiness
from edgetender.model.target import Target

TRIES = 3  # failures in a row before a variant is given up


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to decide yet; *until* says when settling ends, if it has begun."""

    ready: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accept:
    pass


@dataclass(frozen=True, slots=True)
class Demote:
    module: str
    variant: str
    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class RollBack:
    reason: str


Verdict = Wait | Accept | Demote | RollBack


def judge(
    target: Target,
    observed: Observed,
    ledger: Ledger,
    images: dict[str, str],
    settle_s: float,
    now: datetime,
) -> Verdict:
    """Judge what *target* runs. *images* are the chosen variants' references as written, by module.

    With nothing accepted to go back to, a failing candidate is kept trying: half a service beats none.
    """
    if observed.engine_down is not None or target.version is None:
        return Wait()
    for spec in target.containers:
        reason = _gave_out(spec.module, spec.digest, target, observed, ledger)
        if reason is None:
            continue
        if any(c.module == spec.module and c.verdict == "eligible" for c in target.considered):
            return Demote(spec.module, spec.variant, images.get(spec.module, spec.image), reason)
        if _is_candidate(target, ledger) and ledger.accepted is not None:
            return RollBack(f"module {spec.module}: {reason}")
    if not _is_candidate(target, ledger):
        return Wait()
    if not all(_ready(spec.module, spec.digest, observed) for spec in target.containers):
        return Wait()
    since = ledger.settling_since
    if since is None or now < since:
        return Wait(ready=True, until=now + timedelta(seconds=settle_s))
    until = since + timedelta(seconds=settle_s)
    return Accept() if now >= until else Wait(ready=True, until=until)


def settle(ledger: Ledger, verdict: Verdict, now: datetime) -> Ledger:
    """The ledger after *verdict*."""
    match verdict:
        case Wait(ready):
            since = (ledger.settling_since or now) if ready else None
            if since is not None and now < since:
                since = now
            return ledger if since == ledger.settling_since else replace(ledger, settling_since=since)
        case Accept():
            slot = ledger.candidate
            if slot is None:
                return ledger
            return replace(
                ledger,
                accepted=slot,
                candidate=None,
                settling_since=None,
                desired=_desired(ledger, slot.version, 200, "running", now),
            )
        case Demote(module, variant, image, reason):
            fallen = Demotion(module, variant, image, reason, now)
            return replace(ledger, demotions=(*ledger.demotions, fallen), settling_since=None)
        case RollBack(reason):
            slot = ledger.candidate
            if slot is None:
                return ledger
            gone = Condemnation(slot.version, reason, now)
            return replace(
                ledger,
                candidate=None,
                settling_since=None,
                condemned={**ledger.condemned, slot.sha256: gone},
                desired=_desired(ledger, slot.version, 417, f"rolled back: {reason}", now),
            )


def _gave_out(module: str, spec: str, target: Target, observed: Observed, ledger: Ledger) -> str | None:
    """Why this container is given up, None while there is hope.

    A candidate's lost or never reached readiness is conclusive; otherwise TRIES failures in a row are, unless
    it is ready at this moment.
    """
    mine = [container for container in observed.of(module) if container.spec == spec]
    for container in mine:
        if container.health.readiness is Readiness.FAILING and _is_candidate(target, ledger):
            return f"not ready: {container.health.detail}"
    attempt = ledger.attempts.get(run_key(module, spec))
    if attempt is None or attempt.failures < TRIES or any(container.ready for container in mine):
        return None
    return attempt.reason


def _desired(ledger: Ledger, version: int, code: int, description: str, now: datetime) -> Desired | None:
    """What is reported changes only while it speaks of *version*: a refused newer one stays visible."""
    if ledger.desired is not None and ledger.desired.version not in (version, None):
        return ledger.desired
    return Desired(version, code, description, now)


def _is_candidate(target: Target, ledger: Ledger) -> bool:
    return ledger.candidate is not None and target.version == ledger.candidate.version


def _ready(module: str, spec: str, observed: Observed) -> bool:
    return any(container.spec == spec and container.ready for container in observed.of(module))
