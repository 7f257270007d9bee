"""What becomes of the wish that nothing shall change for a while, or that something shall at once? Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from edgetender.clock import rfc3339
from edgetender.decide.gating import passage_of
from edgetender.model.gate import DEVICE, LONGEST_S, Hold, Release
from edgetender.model.ledger import Decision, Delivery, Ledger

KINDS = frozenset({"hold", "release", "delay", "now"})
_REASON_CHARS = 200


def pausing_wish(
    delivery: Delivery, wish: dict[str, Any], ledger: Ledger, modules: frozenset[str]
) -> tuple[Ledger, Decision]:
    """The ledger after *wish*: `hold` and `release` an operator's, `delay` a module's own, `now` for the candidate.

    It says `module` (absent: the device), `for_s` and `reason`; *modules* are those of either slot.
    """
    module, length = wish.get("module"), wish.get("for_s")
    if delivery.kind == "now":
        return _now(delivery, ledger)
    if module is not None and (not isinstance(module, str) or module not in modules):
        known = ", ".join(sorted(modules)) or "none"
        why = f"cannot {delivery.kind} {module!r}: no such module here (there are: {known})"
        return ledger, Decision(delivery.id, 404, why)
    sound = isinstance(length, int | float) and not isinstance(length, bool) and 0 <= length <= LONGEST_S
    if length is not None and not sound:
        why = f"cannot {delivery.kind}: for_s is a number of seconds, {LONGEST_S} at most"
        return ledger, Decision(delivery.id, 400, why)
    if delivery.kind == "release":
        return _released(delivery, ledger, module)
    if delivery.kind == "delay" and (module is None or length is None):
        return ledger, Decision(delivery.id, 400, "cannot delay: say of which module the update, and for_s")
    until = delivery.received_at + timedelta(seconds=length) if length is not None else None
    reason = str(wish.get("reason") or "")[:_REASON_CHARS]
    hold, name = Hold(delivery.source, delivery.received_at, until, reason), module or DEVICE
    said = f" until {rfc3339(until)}" if until else " until it is released"
    if delivery.kind == "delay":
        after = replace(ledger, delays={**ledger.delays, name: hold})
        return after, Decision(delivery.id, 200, f"the update of {name} may wait{said}")
    released = {other: end for other, end in ledger.released.items() if other != name}
    after = replace(ledger, holds={**ledger.holds, name: hold}, released=released)
    return after, Decision(delivery.id, 200, f"{module or 'the device'} is held{said}{_unless(ledger)}")


def _released(delivery: Delivery, ledger: Ledger, module: str | None) -> tuple[Ledger, Decision]:
    """Without a module everything: who forgot what was held wants none of it held."""
    gone = set(ledger.holds) if module is None else {module} & set(ledger.holds)
    if not gone:
        why = f"cannot release {module or 'the device'}: nothing is held"
        other = " but the device" if DEVICE in ledger.holds else ""
        return ledger, Decision(delivery.id, 409, why + other)
    kept = {name: hold for name, hold in ledger.holds.items() if name not in gone}
    said = " and ".join(name or "the device" for name in sorted(gone))
    released = {**ledger.released, **dict.fromkeys(gone, Release(delivery.source, "released"))}
    return replace(ledger, holds=kept, released=released), Decision(delivery.id, 200, f"{said} released")


def _now(delivery: Delivery, ledger: Ledger) -> tuple[Ledger, Decision]:
    candidate = ledger.candidate
    if candidate is None:
        return ledger, Decision(delivery.id, 409, "nothing waits: there is no new version")
    after = replace(ledger, passage=replace(passage_of(ledger), hurry=True))
    held = "; an operator's hold it waits for all the same" if ledger.holds else ""
    said = f"version {candidate.version} waits for no window and no module{held}"
    return after, Decision(delivery.id, 200, said, candidate.version, epoch=candidate.epoch)


def _unless(ledger: Ledger) -> str:
    candidate = ledger.candidate
    if candidate is None or not passage_of(ledger).began:
        return ""
    return f", once version {candidate.version}, which has begun, is accepted or taken back"
