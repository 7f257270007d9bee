"""May the candidate take over, by what it answered to copies of live requests? Pure: a function of the ledger."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from edgetender.decide.stride import on_trial
from edgetender.decide.traffic import SLOWER_MS
from edgetender.model.front import PROXY, FrontState, Shadow, Shadowed
from edgetender.model.ledger import Compared, Ledger
from edgetender.model.observed import Container, Observed
from edgetender.model.target import ContainerSpec, Target
from edgetender.model.updating import Update

ENOUGH_TIMES = 50  # for a 95th percentile: fewer than of live requests, for each copy has its like


def asked_by(update: Update) -> Shadow | None:
    """What a manifest asks of a candidate; None: nothing."""
    if (asked := update.shadow) is None:
        return None
    return Shadow(
        requests=asked.requests,
        max_disagreement=asked.max_disagreement,
        max_p95_ratio=asked.max_p95_ratio,
        within_s=asked.within,
        tolerance=asked.tolerance,
        paths=asked.paths,
    )


def awaited(
    spec: ContainerSpec, front: FrontState, target: Target, there: Iterable[Container], ledger: Ledger
) -> Shadow | None:
    """What the candidate's container has to show before *front* sends requests to it; None: nothing, or nothing more.

    Only where live requests come to another container now: there is nobody to compare it with otherwise.
    """
    known = ledger.compared.get(spec.module)
    if target.shadow is None or front.mechanism != PROXY or not on_trial(target, ledger):
        return None
    if known is not None and known.candidate == spec.digest:
        return None
    if spec.front_spec is None or not any(port.http for port in spec.front_spec.ports):
        return None
    live = any(_serves(one, spec, front) for one in there)
    return target.shadow if live else None


def compared(ledger: Ledger, target: Target, observed: Observed) -> Ledger:
    """Remember what copies showed once there are enough, or no more time, for as long as the trial lasts."""
    if not on_trial(target, ledger):
        return replace(ledger, compared={}) if ledger.compared else ledger
    kept = dict(ledger.compared)
    for spec in target.containers if target.shadow is not None else ():
        front = observed.front(spec.module)
        found = front.shadowed if front is not None else None
        mine = {one.id for one in observed.of(spec.module) if one.spec == spec.digest}
        if found is None or found.container not in mine or front is None or target.shadow is None:
            continue
        if awaited(spec, front, target, observed.of(spec.module), ledger) and _concluded(
            found, target.shadow
        ):
            kept[spec.module] = Compared(spec.digest, replace(found, since_s=round(found.since_s, 1)))
    return ledger if kept == ledger.compared else replace(ledger, compared=kept)


def refused(spec: ContainerSpec, target: Target, ledger: Ledger) -> str | None:
    """Why the candidate may not take over; None while nothing speaks against it."""
    known, wanted = ledger.compared.get(spec.module), target.shadow
    if known is None or known.candidate != spec.digest or wanted is None:
        return None
    found = known.found
    if found.disagreed > _may_disagree(found, wanted):
        why = f" ({found.why})" if found.why else ""
        return f"{found.disagreed} of {found.compared} copies of live requests were answered otherwise{why}"
    limit_ms = max(wanted.max_p95_ratio * found.live_p95_ms, found.live_p95_ms + SLOWER_MS)
    if found.compared - found.disagreed >= ENOUGH_TIMES and found.copy_p95_ms > limit_ms:
        return (
            f"95 % of {found.compared} copies of live requests took up to {found.copy_p95_ms:.1f} ms, "
            f"the live ones {found.live_p95_ms:.1f} ms"
        )
    return None


def said_of(target: Target, ledger: Ledger) -> tuple[str, ...]:
    """What copies showed, module by module, for people."""
    found = ((spec, ledger.compared.get(spec.module)) for spec in target.containers)
    return tuple(_said(spec.module, one.found) for spec, one in found if one and one.candidate == spec.digest)


def progress(found: Shadowed | None, wanted: Shadow) -> str:
    """How far it is, for people."""
    return f"compares its answers to copies of live requests: {found.compared if found else 0} of {wanted.requests}"


def _said(module: str, found: Shadowed) -> str:
    if not found.compared:
        return f"{module}: no request came that a copy could be made of"
    return (
        f"{module}: {found.disagreed} of {found.compared} copies answered otherwise, "
        f"95 % within {found.copy_p95_ms:.1f} ms (live {found.live_p95_ms:.1f} ms)"
    )


def _serves(container: Container, spec: ContainerSpec, front: FrontState) -> bool:
    return container.spec != spec.digest and container.running and front.receives(container.id)


def _concluded(found: Shadowed, wanted: Shadow) -> bool:
    """Enough, or out of time, or so much is wrong that the rest cannot mend it."""
    hopeless = found.disagreed > math.floor(wanted.max_disagreement * wanted.requests)
    return found.compared >= wanted.requests or found.since_s >= wanted.within_s or hopeless


def _may_disagree(found: Shadowed, wanted: Shadow) -> int:
    return math.floor(wanted.max_disagreement * max(found.compared, wanted.requests))
