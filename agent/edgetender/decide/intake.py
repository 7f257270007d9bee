"""What becomes of what arrived: manifests and a person's wishes change the ledger, each gets its decision. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgetender.codec import decode
from edgetender.decide.admission import admit, take
from edgetender.decide.changes import changes, summary
from edgetender.decide.pausing import KINDS, pausing_wish
from edgetender.decide.policing import violations
from edgetender.decide.safe_mode import trusted_again
from edgetender.decide.stride import fetch_anew
from edgetender.decide.verdict import condemn
from edgetender.decide.wishes import floor_wish, variant_wish
from edgetender.errors import ManifestInvalid
from edgetender.model.edition import Edition, is_edition, meant, named
from edgetender.model.examined import AS_IT_IS, Examined
from edgetender.model.gate import Passage
from edgetender.model.ledger import Decision, Delivery, Desired, HistoryEntry, Ledger, Slot
from edgetender.model.manifest import Manifest
from edgetender.model.observed import Observed
from edgetender.model.topics import DesiredCode


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
    versions: Mapping[Edition, HistoryEntry],
    manifest_of: Callable[[Slot], Manifest],
    examined: Examined = AS_IT_IS,
) -> Intake:
    """Decide one delivery. *versions* are the history's entries, *manifest_of* reads a slot's body.

    *examined* is what trust said of a manifest.
    """
    if delivery.kind == "manifest":
        return _manifest(delivery, ledger, versions, manifest_of, examined)
    try:
        wish = decode(delivery.body or b"{}")
    except ManifestInvalid as error:
        return _refused(delivery, ledger, 400, f"cannot read the wish: {error.problems[0]}")
    if not isinstance(wish, dict):
        return _refused(delivery, ledger, 400, "cannot read the wish: it is no JSON object")
    match delivery.kind:
        case "restart":
            return _restart(delivery, wish, ledger, observed)
        case "variant":
            return _variant(delivery, wish, ledger, manifest_of)
        case "rollback":
            return _rollback(delivery, wish, ledger, versions, manifest_of, examined)
        case "trust-reset":
            return Intake(*floor_wish(delivery, wish, ledger))
        case kind if kind in KINDS:
            return Intake(*pausing_wish(delivery, wish, ledger, _modules(ledger, manifest_of)))
        case _:
            return _refused(delivery, ledger, 400, f"cannot do {delivery.kind!r}: unknown to this agent")


def _modules(ledger: Ledger, manifest_of: Callable[[Slot], Manifest]) -> frozenset[str]:
    slots = [slot for slot in (ledger.accepted, ledger.candidate) if slot is not None]
    return frozenset(name for slot in slots for name in manifest_of(slot).modules)


def _variant(
    delivery: Delivery, wish: dict[str, Any], ledger: Ledger, manifest_of: Callable[[Slot], Manifest]
) -> Intake:
    slot = ledger.candidate or ledger.accepted
    return Intake(*variant_wish(delivery, wish, ledger, manifest_of(slot) if slot is not None else None))


def _refused(delivery: Delivery, ledger: Ledger, code: int, why: str) -> Intake:
    return Intake(ledger, Decision(delivery.id, code, why))


def _manifest(
    delivery: Delivery,
    ledger: Ledger,
    versions: Mapping[Edition, HistoryEntry],
    manifest_of: Callable[[Slot], Manifest],
    examined: Examined,
) -> Intake:
    if (root := examined.root) is not None:
        said = f"trust root version {root.version}, epoch {root.epoch}, counts here"
        return Intake(ledger, Decision(delivery.id, 200, said))
    admission = admit(delivery, ledger, examined)
    desired = admission.desired
    decision = Decision(delivery.id, desired.code, desired.description, desired.version, desired.problems)
    if admission.seen or admission.slot is None:
        return Intake(take(ledger, admission), decision)
    decision = replace(decision, epoch=admission.slot.epoch)
    before = manifest_of(ledger.accepted) if ledger.accepted else None
    what = summary(changes(before, manifest_of(admission.slot)))
    entries = [entry_of(admission.slot, "applying", what)]
    if ledger.candidate is not None:
        entries.append(_closed(ledger.candidate, "superseded before it was accepted", delivery, versions))
    after = trusted_again(take(ledger, admission), delivery.source, f"version {admission.slot.version} came")
    return Intake(after, decision, tuple(entries))


def _restart(delivery: Delivery, wish: dict[str, Any], ledger: Ledger, observed: Observed) -> Intake:
    """Wish the runs there are now to end: one that began later has fulfilled it, whoever saw it begin."""
    module = str(wish.get("module"))
    runs = {container.run for container in observed.of(module)}
    if not runs:
        down = f"; {observed.engine_down}" if observed.engine_down else ""
        why = f"cannot restart {module!r}: no container of that module{down}"
        return _refused(delivery, ledger, 404, why)
    wanted = replace(ledger, restart_wanted=ledger.restart_wanted | runs)
    return Intake(wanted, Decision(delivery.id, 200, f"restarting {module}"))


def _rollback(
    delivery: Delivery,
    wish: dict[str, Any],
    ledger: Ledger,
    versions: Mapping[Edition, HistoryEntry],
    manifest_of: Callable[[Slot], Manifest],
    examined: Examined,
) -> Intake:
    """Make an earlier accepted version the candidate. The floor stays: what was left does not come back alone."""
    now, current = delivery.received_at, ledger.accepted
    entry = _way_back(delivery, wish.get("to"), ledger, versions, manifest_of, examined)
    if isinstance(entry, Intake):
        return entry
    slot = replace(slot_of(entry), source=delivery.source, received_at=now)
    left = ledger.candidate or current
    by = f"rolled back to version {entry.version} by {delivery.source}"
    history = []
    if (left_behind := ledger.candidate) is not None:
        ledger = condemn(ledger, left_behind, by, now)
        closed = _closed(left_behind, by, delivery, versions)
        history.append(replace(closed, taken_back_by=delivery.source))
    condemned = {sha: gone for sha, gone in ledger.condemned.items() if sha != entry.sha256}
    is_current = current is not None and current.sha256 == slot.sha256
    after = replace(
        ledger,
        candidate=None if is_current else slot,
        condemned=condemned,
        settling_since=None,
        attempts=fetch_anew(ledger.attempts),
        passage=Passage(slot.sha256, hurry=True),  # a person who goes back does not mean tonight
        desired=Desired(left.version, DesiredCode.ROLLED_BACK, by, now, trace=left.trace, epoch=left.epoch)
        if left
        else Desired(None, DesiredCode.ROLLED_BACK, by, now),
    )
    decision = Decision(delivery.id, 200, by, entry.version, epoch=entry.epoch)
    return Intake(trusted_again(after, delivery.source, by), decision, tuple(history))


def _way_back(
    delivery: Delivery,
    asked: Any,
    ledger: Ledger,
    versions: Mapping[Edition, HistoryEntry],
    manifest_of: Callable[[Slot], Manifest],
    examined: Examined,
) -> HistoryEntry | Intake:
    """The version that a rollback to *asked* leads to, or why it leads nowhere."""
    current = ledger.accepted
    if asked is not None and not is_edition(asked):
        return _refused(delivery, ledger, 400, "cannot roll back: 'to' is a version, like 13 or 1:13")
    entry = wanted(asked, ledger, versions)
    if entry is None or not entry.body:
        known = ", ".join(named(one, versions) for one in sorted(versions) if versions[one].body) or "none"
        why = (
            f"cannot roll back: no version before this one was accepted here (kept: {known}); name one by --to"
            if asked is None
            else f"cannot roll back to version {asked}: not kept here (kept: {known})"
        )
        return _refused(delivery, ledger, 404, why)
    if current is not None and entry.sha256 == current.sha256 and ledger.candidate is None:
        return _refused(delivery, ledger, 409, f"version {entry.version} is what runs already")
    if ledger.candidate is not None and entry.sha256 == ledger.candidate.sha256:
        return _refused(delivery, ledger, 409, f"version {entry.version} is being applied already")
    try:
        manifest = manifest_of(slot_of(entry))
    except ManifestInvalid as error:  # a release that reads less than the one that took it
        why = f"cannot roll back to version {entry.version}: {error.problems[0]}"
        return _refused(delivery, ledger, 409, why)
    if current is None or entry.sha256 != current.sha256:  # what runs goes on, whatever is allowed by now
        forbidden = examined.refused
        if examined.policy is not None:
            forbidden += violations(manifest, examined.policy, signed=entry.epoch > 0)
        if forbidden:
            why = f"cannot roll back to version {entry.version}: {'; '.join(map(str, forbidden))}"
            return _refused(delivery, ledger, DesiredCode.FORBIDDEN, why)
    return entry


def wanted(
    asked: int | str | None, ledger: Ledger, versions: Mapping[Edition, HistoryEntry]
) -> HistoryEntry | None:
    """The one that a rollback to *asked* leads to; to nothing named: to the one before."""
    if asked is None:
        return previous(ledger, versions)
    edition = meant(asked, versions)
    return versions[edition] if edition is not None else None


def previous(ledger: Ledger, versions: Mapping[Edition, HistoryEntry]) -> HistoryEntry | None:
    """The accepted version when a candidate is on its way, else the newest below it that ran once."""
    if ledger.candidate is not None and ledger.accepted is not None:
        return versions.get(ledger.accepted.edition) or entry_of(ledger.accepted, "running")
    below = ledger.accepted.edition if ledger.accepted else (0, 0)
    good = [
        one for one, e in versions.items() if one < below and e.body and e.result in ("superseded", "running")
    ]
    return versions[max(good)] if good else None


def slot_of(entry: HistoryEntry) -> Slot:
    """The slot that *entry* was written for; its body may be gone by now."""
    return Slot(
        entry.deployment, entry.version, entry.sha256, entry.body, entry.source, entry.received_at,
        epoch=entry.epoch,
    )  # fmt: skip


def _closed(
    slot: Slot, result: str, delivery: Delivery, versions: Mapping[Edition, HistoryEntry]
) -> HistoryEntry:
    said = versions[slot.edition].changes if slot.edition in versions else ""
    return replace(entry_of(slot, result, said), finished_at=delivery.received_at)


def entry_of(slot: Slot, result: str, what: str = "") -> HistoryEntry:
    """The history entry of *slot*, not finished; it replaces an entry of the same edition."""
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
        slot.epoch,
        slot.trace,
    )
