"""What becomes of what arrived: manifests and a person's wishes change the ledger, each gets its decision. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgetender.decide.admission import admit, take
from edgetender.decide.changes import changes, summary
from edgetender.model.ledger import Condemnation, Decision, Delivery, Desired, HistoryEntry, Ledger, Slot
from edgetender.model.manifest import Manifest
from edgetender.model.observed import Observed


@dataclass(frozen=True, slots=True)
class Intake:
    """The ledger after one delivery, its decision, and the history entries to write."""

    ledger: Ledger
    decision: Decision
    history: tuple[HistoryEntry, ...] = ()


def digest(
    delivery: Delivery,
    ledger: Ledger,
    observed: Observed,
    versions: Mapping[int, HistoryEntry],
    manifest_of: Callable[[Slot], Manifest],
) -> Intake:
    """Decide one delivery. *versions* are the history's entries, *manifest_of* reads a slot's body."""
    match delivery.kind:
        case "manifest":
            return _manifest(delivery, ledger, manifest_of)
        case "restart":
            return _restart(delivery, ledger, observed)
        case "rollback":
            return _rollback(delivery, ledger, versions)
        case _:
            return Intake(
                ledger, Decision(delivery.id, 400, f"cannot do {delivery.kind!r}: unknown to this agent")
            )


def _manifest(delivery: Delivery, ledger: Ledger, manifest_of: Callable[[Slot], Manifest]) -> Intake:
    admission = admit(delivery, ledger)
    desired = admission.desired
    decision = Decision(delivery.id, desired.code, desired.description, desired.version, desired.problems)
    if admission.seen or admission.slot is None:
        return Intake(take(ledger, admission), decision)
    before = manifest_of(ledger.accepted) if ledger.accepted else None
    what = summary(changes(before, manifest_of(admission.slot)))
    entries = [entry_of(admission.slot, "applying", what)]
    if ledger.candidate is not None:
        entries.append(entry_of(ledger.candidate, "superseded before it was accepted"))
    return Intake(take(ledger, admission), decision, tuple(entries))


def _restart(delivery: Delivery, ledger: Ledger, observed: Observed) -> Intake:
    module = str(json.loads(delivery.body).get("module"))
    ids = {container.id for container in observed.of(module)}
    if not ids:
        return Intake(
            ledger, Decision(delivery.id, 404, f"cannot restart {module!r}: no container of that module")
        )
    wanted = replace(ledger, restart_wanted=ledger.restart_wanted | ids)
    return Intake(wanted, Decision(delivery.id, 200, f"restarting {module}"))


def _rollback(delivery: Delivery, ledger: Ledger, versions: Mapping[int, HistoryEntry]) -> Intake:
    """Make an earlier accepted version the candidate. The floor stays: what was left does not come back alone."""
    now, current = delivery.received_at, ledger.accepted
    asked = json.loads(delivery.body or b"{}").get("to")
    entry = versions.get(asked) if asked is not None else _previous(ledger, versions)
    if entry is None or not entry.body:
        which = f"version {asked}" if asked is not None else "an earlier version"
        known = ", ".join(str(v) for v, e in sorted(versions.items()) if e.body) or "none"
        return Intake(
            ledger, Decision(delivery.id, 404, f"cannot roll back to {which}: not kept here (kept: {known})")
        )
    if current is not None and entry.sha256 == current.sha256 and ledger.candidate is None:
        return Intake(ledger, Decision(delivery.id, 409, f"version {entry.version} is what runs already"))
    left = ledger.candidate or current
    by = f"rolled back to version {entry.version} by {delivery.source}"
    condemned = {sha: gone for sha, gone in ledger.condemned.items() if sha != entry.sha256}
    history = []
    if ledger.candidate is not None:
        condemned[ledger.candidate.sha256] = Condemnation(ledger.candidate.version, by, now)
        history.append(entry_of(ledger.candidate, by))
    slot = Slot(entry.deployment, entry.version, entry.sha256, entry.body, delivery.source, now)
    is_current = current is not None and current.sha256 == slot.sha256
    after = replace(
        ledger,
        candidate=None if is_current else slot,
        condemned=condemned,
        settling_since=None,
        desired=Desired(left.version if left else None, 417, by, now),
    )
    return Intake(after, Decision(delivery.id, 200, by, entry.version), tuple(history))


def _previous(ledger: Ledger, versions: Mapping[int, HistoryEntry]) -> HistoryEntry | None:
    """The accepted version when a candidate is on its way, else the newest below it that ran once."""
    if ledger.candidate is not None and ledger.accepted is not None:
        return versions.get(ledger.accepted.version) or entry_of(ledger.accepted, "running")
    below = ledger.accepted.version if ledger.accepted else 0
    good = [e for v, e in versions.items() if v < below and e.body and e.result in ("superseded", "running")]
    return max(good, key=lambda entry: entry.version, default=None)


def entry_of(slot: Slot, result: str, what: str = "") -> HistoryEntry:
    """The history entry of *slot*; an entry of the same version is replaced, empty fields keep what it said."""
    return HistoryEntry(
        slot.version,
        slot.deployment,
        slot.sha256,
        slot.source,
        slot.received_at,
        result,
        None,
        what,
        slot.body,
    )
