"""What happened between two cycles? One event for each change: a module's state, an end, a hold, a verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edgetender.clock import rfc3339
from edgetender.decide.reporting import ModuleReport
from edgetender.model.gate import Release
from edgetender.model.ledger import Desired, Ledger
from edgetender.model.topics import DesiredCode, EventKind
from edgetender.model.trace import MEMBER

Event = tuple[EventKind, dict[str, object]]  # what happened, what it says
_BECAME: dict[int, EventKind] = {
    DesiredCode.RUNNING: EventKind.APPLIED,
    DesiredCode.IN_PART: EventKind.APPLIED_IN_PART,
    DesiredCode.APPLYING: EventKind.APPLYING,
    DesiredCode.ROLLED_BACK: EventKind.ROLLED_BACK,
}


def events_between(
    before: tuple[ModuleReport, ...], after: tuple[ModuleReport, ...], old: Ledger, new: Ledger
) -> tuple[Event, ...]:
    """One event for each change of state: (type, what it says)."""
    events: list[Event] = []
    was = {report.name: report for report in before}
    for report in after:
        previous = was.pop(report.name, None)
        if previous is None or previous.state is not report.state or previous.version != report.version:
            said: dict[str, object] = {
                "module": report.name,
                "version": report.version,
                "state": report.state.value,
                "why": report.why,
                "code": report.code,
            }
            said["from"] = previous.state.value if previous else None
            events.append((EventKind.MODULE_STATE, said | _begun_by(report.version, old, new)))
        events += _ends(report, previous, old, new) if before else ()
    events += holds_between(old, new)
    events += [(EventKind.MODULE_REMOVED, {"module": name}) for name in was]
    if new.desired is not None and new.desired != old.desired:
        kind = _became(new.desired)
        verdict: dict[str, object] = {"version": new.desired.version, "code": new.desired.code}
        if new.desired.epoch:
            verdict["epoch"] = new.desired.epoch
        reasons = {"reasons": list(refusals(old, new))} if kind is EventKind.REFUSED else {}
        told = verdict | {"description": new.desired.description} | reasons | _traced(new.desired.trace)
        events.append((kind, told))
    return tuple(events)


def _ends(report: ModuleReport, previous: ModuleReport | None, old: Ledger, new: Ledger) -> Iterator[Event]:
    """How its container ended, and that it was started again: of the version on trial, which another speaks for."""
    death = report.death
    version = death.version if death is not None and death.version is not None else report.version
    whose: dict[str, object] = {"module": report.name, "version": version}
    begun = _begun_by(version, old, new)
    if death is not None and (previous is None or previous.death != death):
        ended = {"exitCode": death.exit_code, "reason": death.reason, "log": list(death.log)}
        yield EventKind.MODULE_ENDED, whose | ended | begun
    if report.restarts > (previous.restarts if previous else 0):
        yield EventKind.MODULE_RESTARTED, whose | {"restarts": report.restarts} | begun


def _became(desired: Desired) -> EventKind:
    """What was condemned and comes again is refused: nothing is taken back by that."""
    again = desired.code == DesiredCode.ROLLED_BACK and desired.problems
    return EventKind.REFUSED if again else _BECAME.get(desired.code, EventKind.REFUSED)


def _begun_by(version: int | None, old: Ledger, new: Ledger) -> dict[str, object]:
    """The trace of the version on trial, for what its containers do, and for the one that is not made yet."""
    slots = (slot for slot in (new.candidate, old.candidate) if slot is not None)
    return _traced(next((one.trace for one in slots if version in (None, one.version)), ""))


def _traced(parent: str) -> dict[str, object]:
    return {MEMBER: parent} if parent else {}


def holds_between(old: Ledger, new: Ledger) -> list[Event]:
    """What was held or released, and what a module asked for."""
    events: list[Event] = []
    for before, after, begun, over in (
        (old.holds, new.holds, EventKind.HOLD_SET, EventKind.HOLD_OVER),
        (old.delays, new.delays, EventKind.DELAY_SET, EventKind.DELAY_OVER),
    ):
        for name in sorted(before.keys() | after.keys()):
            now, was = after.get(name), before.get(name)
            if now is not None and now != was:
                until = rfc3339(now.until) if now.until else None
                said: dict[str, object] = {
                    "module": name or None,
                    "by": now.by,
                    "reason": now.reason,
                    "until": until,
                }
                events.append((begun, said))
            elif now is None:
                ended = _ended(new.released.get(name)) if over is EventKind.HOLD_OVER else {}
                events.append((over, {"module": name or None} | ended))
    return events


def _ended(release: Release | None) -> dict[str, object]:
    if release is None:
        return {"by": None, "reason": "its time is over"}
    return {"by": release.by, "reason": release.reason}


def refusals(old: Ledger, new: Ledger) -> tuple[str, ...]:
    """The codes for which the newest manifest was refused since *old*; empty where none was."""
    desired = new.desired
    if desired is None or desired == old.desired or _became(desired) is not EventKind.REFUSED:
        return ()
    return tuple(sorted({code for _, code, _ in desired.problems}))
