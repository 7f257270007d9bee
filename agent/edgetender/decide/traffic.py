"""Do requests fare worse with the candidate than with the version before it? Pure: from the front's own figures."""

from __future__ import annotations

from dataclasses import replace

from edgetender.decide.stride import on_trial
from edgetender.model.front import FrontServer, FrontState
from edgetender.model.ledger import Fared, Ledger
from edgetender.model.observed import Observed
from edgetender.model.target import ContainerSpec, Target

ENOUGH_REQUESTS = 20  # fewer say nothing
ENOUGH_ERRORS = 5
BAD_RATIO = 0.05
TIMES_WORSE = 3.0
ENOUGH_TIMES = 100  # of answers, for a 95th percentile
SLOWER_MS = (
    10.0  # what is slower by less nobody notices, and two versions at work on one device disturb each other
)


def noted(ledger: Ledger, target: Target, observed: Observed) -> Ledger:
    """Remember how requests fared before the candidate came, while those who know can still be asked.

    A front that is restarted counts anew, and it knows only the newest answers' times: the most telling stays.
    """
    if not on_trial(target, ledger):
        return replace(ledger, fared={}) if ledger.fared else ledger
    fared = dict(ledger.fared)
    for spec in target.containers:
        front = observed.front(spec.module) if spec.front_spec else None
        if front is None or not (before := _before(front, spec, observed)):
            continue
        known = fared.get(spec.module)
        if known is None or known.candidate != spec.digest:
            known = Fared(spec.digest, 0, 0)
        asked, failed = sum(one.requests or 0 for one in before), sum(one.errors or 0 for one in before)
        if asked > known.requests:
            known = replace(known, requests=asked, errors=failed)
        for one in before:
            if one.p95_ms is not None and one.timed > known.timed:
                known = replace(known, p95_ms=one.p95_ms, timed=one.timed)
        fared[spec.module] = known
    return ledger if fared == ledger.fared else replace(ledger, fared=fared)


def worse(spec: ContainerSpec, observed: Observed, ledger: Ledger) -> str | None:
    """Why the candidate's container is worse than those before it; None while it is not, or nobody knows.

    Errors are answers with 5xx and connections that failed; times are from a request to the answer's head.
    """
    front = observed.front(spec.module) if spec.front_spec else None
    before = ledger.fared.get(spec.module)
    if front is None or front.target is None or before is None or before.candidate != spec.digest:
        return None
    if front.target.container not in _mine(spec, observed):
        return None
    new = front.server(front.target.container)
    return (_fails_more(new, before) or _is_slower(new, before)) if new is not None else None


def _mine(spec: ContainerSpec, observed: Observed) -> set[str]:
    return {container.id for container in observed.of(spec.module) if container.spec == spec.digest}


def _before(front: FrontState, spec: ContainerSpec, observed: Observed) -> list[FrontServer]:
    mine = _mine(spec, observed)
    return [one for one in front.servers if one.container not in mine and one.requests is not None]


def _fails_more(new: FrontServer, before: Fared) -> str | None:
    if new.requests is None or new.errors is None:
        return None
    if new.requests < ENOUGH_REQUESTS or new.errors < ENOUGH_ERRORS:
        return None
    ratio = new.errors / new.requests
    ratio_before = before.errors / before.requests if before.requests else 0.0
    if ratio < BAD_RATIO or ratio <= TIMES_WORSE * ratio_before:
        return None
    return f"{new.errors} of {new.requests} requests failed, with the version before it {ratio_before:.1%}"


def _is_slower(new: FrontServer, before: Fared) -> str | None:
    if new.p95_ms is None or before.p95_ms is None or min(new.timed, before.timed) < ENOUGH_TIMES:
        return None
    if new.p95_ms <= max(TIMES_WORSE * before.p95_ms, before.p95_ms + SLOWER_MS):
        return None
    return (
        f"95 % of {new.timed} answers took up to {new.p95_ms:g} ms, "
        f"with the version before it {before.p95_ms:g} ms"
    )
