"""Is the candidate good? Wait, accept it, demote a variant, or roll back. Pure: a function of the ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edgetender.decide.exits import describe_exit
from edgetender.decide.failures import CONCLUSIVE
from edgetender.decide.parting import parted
from edgetender.decide.shadowing import refused, said_of
from edgetender.decide.stride import front_key, is_good, on_trial, run_key
from edgetender.decide.traffic import worse
from edgetender.decide.weighing import in_doubt, too_heavy
from edgetender.model.ledger import Condemnation, Demotion, Desired, Ledger, Slot
from edgetender.model.observed import Container, Health, Observed, Readiness, Status
from edgetender.model.target import Considered, ContainerSpec, Target
from edgetender.model.topics import DesiredCode

_LOOK_AGAIN = timedelta(
    seconds=1
)  # at how requests fare, and what memory is taken, while a candidate settles
TRIES = 3  # failures in a row before a variant is given up
CONDEMNED_KEPT = 20
_VANISHED = "started {} times, and nobody was left to say how it ended"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to decide yet; *until* says when settling ends, if it has begun."""

    ready: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accept:
    """*shown* is what copies of live requests showed, module by module."""

    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Demote:
    module: str
    variant: str
    image: str
    reason: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class RollBack:
    """*module* is whose fault it is."""

    reason: str
    module: str = ""


Verdict = Wait | Accept | Demote | RollBack


def judge(
    target: Target,
    observed: Observed,
    ledger: Ledger,
    considered: Collection[Considered],
    settle_s: float,
    now: datetime,
) -> Verdict:
    """Judge what *target* runs. *considered* are the variants of its own manifest, which may be the older one.

    With nothing accepted to go back to, a failing candidate is kept trying: half a service beats none.
    """
    if observed.engine_down is not None or target.version is None:
        return Wait()
    for spec in target.containers:
        if (against := _against(spec, target, observed, ledger, considered)) is not None:
            return against
    if not on_trial(target, ledger):
        return Wait()
    if not all(is_good(spec, observed) for spec in target.containers):
        return Wait()
    since = ledger.settling_since
    until = (since or now) + timedelta(seconds=settle_s)
    if since is not None and now >= until and not in_doubt(ledger, now):
        return Accept(said_of(target, ledger))
    watched = bool(ledger.weighed) or any(spec.front_spec for spec in target.containers)
    again = now + _LOOK_AGAIN
    return Wait(ready=True, until=again if watched and not now < until < again else until)


def _against(
    spec: ContainerSpec,
    target: Target,
    observed: Observed,
    ledger: Ledger,
    considered: Collection[Considered],
) -> Demote | RollBack | None:
    reason = _gave_out(spec, target, observed, ledger)
    mine = [one for one in considered if one.module == spec.module]
    chosen = next((one for one in mine if one.verdict == "chosen"), None)
    if reason is not None and chosen is not None and any(one.verdict == "eligible" for one in mine):
        return Demote(spec.module, spec.variant, chosen.image, reason, _code(spec, ledger))
    # no other variant would help against these, the version before would
    reason = reason or _unreachable(spec, ledger) or worse(spec, observed, ledger)
    reason = reason or too_heavy(spec, ledger) or refused(spec, target, ledger)
    if reason is not None and on_trial(target, ledger) and ledger.accepted is not None:
        return RollBack(f"module {spec.module}: {reason}", spec.module)
    return None


def settle(ledger: Ledger, verdict: Verdict, now: datetime) -> Ledger:
    """The ledger after *verdict*."""
    match verdict:
        case Wait(ready):
            since = (ledger.settling_since or now) if ready else None
            return ledger if since == ledger.settling_since else replace(ledger, settling_since=since)
        case Accept(shown):
            slot = ledger.candidate
            if slot is None:
                return ledger
            return replace(
                ledger,
                accepted=slot,
                candidate=None,
                settling_since=None,
                desired=_desired(ledger, slot, *_accepted(slot, shown), now),
            )
        case Demote(module, variant, image, reason, code):
            fallen = Demotion(module, variant, image, reason, now, code)
            return replace(ledger, demotions=(*ledger.demotions, fallen), settling_since=None)
        case RollBack(reason, module):
            slot = ledger.candidate
            if slot is None:
                return ledger
            if (rest := parted(ledger, module, reason)) is not None:
                said = f"being applied without what is no good: {reason}"
                return replace(
                    condemn(rest, slot, reason, now),
                    desired=_desired(ledger, slot, DesiredCode.APPLYING, said, now),
                )
            return replace(
                condemn(ledger, slot, reason, now),
                candidate=None,
                settling_since=None,
                desired=_desired(ledger, slot, DesiredCode.ROLLED_BACK, f"rolled back: {reason}", now),
            )


def _accepted(slot: Slot, shown: tuple[str, ...]) -> tuple[int, str]:
    if slot.without:
        without = f"running, but for what was taken back: {' and '.join(slot.without)}"
        return DesiredCode.IN_PART, "; ".join((without, *shown))
    return DesiredCode.RUNNING, "; ".join(("running", *shown))


def condemn(ledger: Ledger, slot: Slot, reason: str, now: datetime) -> Ledger:
    """Remember that the manifest of *slot* is not to be tried again by itself.

    The newest are enough: what is older is lower than the floor and refused for that.
    """
    others = [pair for pair in ledger.condemned.items() if pair[0] != slot.sha256]
    newest = sorted(others, key=lambda pair: (pair[1].epoch, pair[1].version))[-(CONDEMNED_KEPT - 1) :]
    gone = Condemnation(slot.version, reason, now, slot.epoch)
    return replace(ledger, condemned=dict(newest) | {slot.sha256: gone})


def _gave_out(spec: ContainerSpec, target: Target, observed: Observed, ledger: Ledger) -> str | None:
    """Why this container is given up, None while there is hope.

    A candidate's lost or never reached readiness is conclusive; otherwise TRIES failures in a row are, unless
    it is ready at this moment.
    """
    mine = [container for container in observed.of(spec.module) if container.spec == spec.digest]
    for container in mine if on_trial(target, ledger) else ():
        if container.health.readiness is Readiness.FAILING:
            return f"not ready: {container.health.detail}"
        if _failed_for_good(spec, container, ledger):
            return f"{describe_exit(container)}; restart: never"
    key = run_key(spec.module, spec.digest)
    attempt = ledger.attempts.get(key)
    if any(container.ready for container in mine):
        return None
    if attempt is not None and (unproven := next((c for c in mine if _not_proven(c.health)), None)):
        return f"not ready: {unproven.health.detail}"  # it was started anew, and is no better
    # of the starts that were begun, the one whose container runs may yet come to something
    vanished = ledger.begun.get(key, 0) - any(container.running for container in mine)
    if attempt is None:
        return _VANISHED.format(vanished) if vanished >= TRIES else None
    if attempt.failures + max(0, vanished) < TRIES and attempt.code not in CONCLUSIVE:
        return None
    return attempt.reason


def _not_proven(health: Health) -> bool:
    """Whether its proof failed: another try of the same run would say the same."""
    return health.readiness is Readiness.FAILING and health.detail.startswith("not proven: ")


def _code(spec: ContainerSpec, ledger: Ledger) -> str:
    attempt = ledger.attempts.get(run_key(spec.module, spec.digest))
    return attempt.code if attempt is not None else "not_ready"


def _unreachable(spec: ContainerSpec, ledger: Ledger) -> str | None:
    """Why its front is given up: no other variant would help, the version before it would."""
    attempt = ledger.attempts.get(front_key(spec)) if spec.front_spec else None
    return attempt.reason if attempt is not None and attempt.failures >= TRIES else None


def _desired(ledger: Ledger, slot: Slot, code: int, description: str, now: datetime) -> Desired | None:
    """What is reported changes only while it speaks of *slot*: a refused newer one stays visible."""
    desired = ledger.desired
    if desired is not None and (
        desired.version not in (slot.version, None) or desired.epoch not in (slot.epoch, 0)
    ):
        return desired
    return Desired(slot.version, code, description, now, trace=slot.trace, epoch=slot.epoch)


def _failed_for_good(spec: ContainerSpec, container: Container, ledger: Ledger) -> bool:
    ended_by_itself = container.status is Status.EXITED and container.id not in ledger.stopped
    return ended_by_itself and spec.restart == "never" and container.exit_code != 0
