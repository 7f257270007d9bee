"""What the loop remembers: the ledger in memory and on disk, also while the disk is full."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from edgetender.decide.intake import Intake, digest, previous, slot_of
from edgetender.decide.trusting import kept_floor, raised, trusted_time
from edgetender.errors import DiskFull, Exhausted, ManifestInvalid
from edgetender.model.edition import Edition
from edgetender.model.examined import AS_IT_IS, Floor
from edgetender.model.ledger import Decision, Delivery, HistoryEntry, Ledger, Slot
from edgetender.model.manifest import Manifest
from edgetender.model.observed import Observed
from edgetender.model.reading import read_manifest
from edgetender.model.trace import MEMBER, parted
from edgetender.ports import Store, Trust

log = logging.getLogger(__name__)


class Memory:
    """The reconciler's alone. A full disk ends nothing: `trouble` then says so until a write succeeds again.

    Meanwhile containers are tended from memory; no delivery is decided and no verdict closed, for both would
    be promises that a restart breaks.
    """

    def __init__(self, store: Store, trust: Trust | None = None) -> None:
        """Without *trust* manifests are taken as they are."""
        self._store, self._trust = store, trust
        self._manifests: dict[str, Manifest] = {}
        self._saved = store.ledger()
        self.ledger = self._saved
        self.trouble: str | None = None
        self.ledger = self._readable(self._saved)
        self._floor = trust.floor() if trust is not None else None
        if self._floor is not None:
            self.ledger = raised(self.ledger, self._floor)

    def keep(self, ledger: Ledger, history: Iterable[HistoryEntry] = ()) -> bool:
        """Write *ledger* down if it changed; False when the disk is full. Then history is not written."""
        entries = tuple(history)
        self.ledger = ledger
        if ledger == self._saved and not entries:
            return True
        return self._commit(ledger, (), entries)

    def take_deliveries(self, ledger: Ledger, observed: Observed) -> Ledger:
        """Decide what has arrived; the ledger after it, as it was when that cannot be written down."""
        deliveries = tuple(map(_with_trace_apart, self._store.deliveries()))
        if not deliveries:
            return ledger
        before, versions = ledger, {entry.edition: entry for entry in self._store.history()}
        decisions: list[Decision] = []
        history: list[HistoryEntry] = []
        for delivery in deliveries:
            intake = self._digest(delivery, ledger, observed, versions)
            ledger = intake.ledger
            decisions.append(intake.decision)
            history += intake.history
            versions |= {entry.edition: entry for entry in intake.history}
        if not self._commit(ledger, decisions, history):
            return before
        self.ledger = ledger
        for delivery, decision in zip(deliveries, decisions, strict=True):
            said = {"source": delivery.source, "code": decision.code, "version": decision.version}
            if delivery.trace:
                said[MEMBER] = delivery.trace
            log.info("%s decided", delivery.kind, extra={"fields": said | {"why": decision.description}})
        return ledger

    def slots(self, ledger: Ledger, *, back: bool = False) -> tuple[tuple[Slot, Manifest], ...]:
        """Those of *ledger* with their manifests; with *back* also the version that a rollback would return to."""
        found = [slot for slot in (ledger.accepted, ledger.candidate) if slot is not None]
        if back:
            versions = {entry.edition: entry for entry in self._store.history()}
            entry = previous(replace(ledger, candidate=None), versions)
            found += [slot_of(entry)] if entry is not None else []
        return tuple((slot, manifest) for slot in found if (manifest := self._manifest(slot)) is not None)

    def _manifest(self, slot: Slot) -> Manifest | None:
        try:
            return self.manifest_of(slot)
        except ManifestInvalid:
            return None

    def changes_of(self, slot: Slot) -> str:
        """What the history says the version in *slot* changed."""
        found = (entry.changes for entry in self._store.history() if entry.edition == slot.edition)
        return next(found, "")

    def manifest_of(self, slot: Slot) -> Manifest:
        """The manifest of an admitted slot. Raises ManifestInvalid where this release reads less than its author."""
        if slot.sha256 not in self._manifests:
            kept = {s.sha256 for s in (self.ledger.candidate, self.ledger.accepted) if s is not None}
            self._manifests = {sha: m for sha, m in self._manifests.items() if sha in kept}
            self._manifests[slot.sha256] = read_manifest(slot.body.encode())
        return self._manifests[slot.sha256]

    def _digest(
        self, delivery: Delivery, ledger: Ledger, observed: Observed, versions: dict[Edition, HistoryEntry]
    ) -> Intake:
        try:
            examined = AS_IT_IS
            if self._trust is not None and delivery.kind == "manifest":
                examined = self._trust.examine(delivery.body, trusted_time(delivery.received_at, ledger))
                if examined.root is not None:  # what comes after it is examined by it
                    examined = self._trust.succeed(examined.root, delivery.body)
            elif self._trust is not None and delivery.kind == "rollback":
                examined = self._trust.today()
            return digest(delivery, ledger, observed, versions, self.manifest_of, examined)
        except (Exhausted, MemoryError):  # which says nothing of the delivery: it waits for the next start
            raise
        except Exception as error:  # it waits on the disk: ending the daemon now would end it at every start
            log.exception("a delivery could not be judged", extra={"fields": {"delivery": delivery.id}})
            return Intake(ledger, Decision(delivery.id, 500, f"this agent failed on it: {error!r:.200}"))

    def _readable(self, ledger: Ledger) -> Ledger:
        """Without slots that this release cannot read: what runs is left alone until a manifest comes."""
        for name, slot in (("candidate", ledger.candidate), ("accepted", ledger.accepted)):
            if slot is None:
                continue
            try:
                self.manifest_of(slot)
            except ManifestInvalid as error:
                said = {"slot": name, "version": slot.version, "why": str(error)}
                log.error("a kept manifest cannot be read", extra={"fields": said})  # noqa: TRY400
                ledger = (
                    replace(ledger, candidate=None) if name == "candidate" else replace(ledger, accepted=None)
                )
                if slot.sha256 == ledger.floor_sha256:  # the same version may come again, written differently
                    ledger = replace(ledger, floor_sha256="")
        return ledger

    def _commit(self, ledger: Ledger, decisions: Iterable[Decision], history: Iterable[HistoryEntry]) -> bool:
        try:
            self._store.commit(ledger, decisions=decisions, history=history)
        except DiskFull as error:
            if self.trouble is None:
                log.error("the ledger cannot be written", extra={"fields": {"why": str(error)}})  # noqa: TRY400
            self.trouble = str(error)
            return False
        self._saved, self.trouble = ledger, None
        self._keep_floor(ledger)
        return True

    def _keep_floor(self, ledger: Ledger) -> None:
        """After the ledger: a floor that is ahead of it would call what was not taken yet known."""
        floor = kept_floor(ledger)
        if self._trust is not None and floor != (self._floor or Floor()) and self._trust.keep(floor):
            self._floor = floor


def _with_trace_apart(delivery: Delivery) -> Delivery:
    """Before anybody looks at a manifest: who began it is no part of what is signed, hashed and compared."""
    if delivery.kind != "manifest":
        return delivery
    body, trace = parted(delivery.body)
    return replace(delivery, body=body, trace=trace)
