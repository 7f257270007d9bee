"""What would a manifest change here? The answer to `edgetender plan`; touches nothing. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from edgetender.clock import rfc3339
from edgetender.codec import canonical, decode, sha256_hex
from edgetender.decide.changes import ModuleChange, changes
from edgetender.decide.gating import gate
from edgetender.decide.resolving import Resolution, resolve
from edgetender.model.gate import ALWAYS, Rules
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger, Slot
from edgetender.model.manifest import SCHEMA, Manifest
from edgetender.model.observed import Observed
from edgetender.model.reading import manifest_of, read_manifest


def plan_document(
    body: bytes,
    ledger: Ledger,
    hardware: Hardware,
    observed: Observed | None,
    rules: Rules = ALWAYS,
    now: datetime | None = None,
) -> dict[str, Any]:
    """What the manifest in *body* would change against what is accepted. Raises ManifestInvalid.

    With *now* also what it would wait for by *rules* and holds.
    """
    document = decode(body)
    manifest = manifest_of(document)
    text = canonical(document)
    running = read_manifest(ledger.accepted.body.encode()) if ledger.accepted else None
    found = changes(running, manifest)
    slot = _slot(manifest, text, ledger)
    resolution = resolve(slot, manifest, hardware, ledger)
    chosen = {c.module: c for c in resolution.considered if c.verdict == "chosen"}
    blocked = dict(resolution.blocked)
    return {
        "apiVersion": SCHEMA,
        "kind": "Plan",
        "deployment": manifest.deployment,
        "version": manifest.version,
        "runningVersion": ledger.accepted.version if ledger.accepted else None,
        "modules": [
            {
                "name": change.module,
                "change": change.action,
                "variant": chosen[change.module].variant if change.module in chosen else None,
                "why": blocked.get(change.module) or _because(change, chosen.get(change.module)),
                "details": [{"what": f.field, "from": f.before, "to": f.after} for f in change.fields],
            }
            for change in found
        ],
        "notes": _notes(
            manifest, sha256_hex(text), ledger, observed, [w.reference for w in resolution.wanted]
        )
        + (_waits(resolution, ledger, hardware, observed, rules, now) if now is not None else []),
    }


def _waits(
    resolution: Resolution,
    ledger: Ledger,
    hardware: Hardware,
    observed: Observed | None,
    rules: Rules,
    now: datetime,
) -> list[str]:
    slot = ledger.accepted
    before = resolve(slot, read_manifest(slot.body.encode()), hardware, ledger) if slot else None
    coming = replace(ledger, candidate=resolution.slot)
    found = gate(coming, rules, observed.locks if observed else {}, resolution, before, now)
    shut = {one.why: one for one in (found.download, found.apply) if one is not None}
    until = {why: f" until {rfc3339(one.until)}" if one.until else "" for why, one in shut.items()}
    hint = "" if "hold.operator" in {one.code for one in shut.values()} else " (override: --now)"
    return [f"would wait{until[why]}: {why}{hint}" for why in shut]


def _slot(manifest: Manifest, text: bytes, ledger: Ledger) -> Slot:
    at = ledger.accepted.received_at if ledger.accepted else datetime.fromtimestamp(0, UTC)
    return Slot(manifest.deployment, manifest.version, sha256_hex(text), text.decode(), "plan", at)


def _because(change: ModuleChange, chosen: Any) -> str:
    if change.action == "remove":
        return "the manifest has no such module"
    return chosen.because if chosen is not None else ""


def _notes(
    manifest: Manifest, sha256: str, ledger: Ledger, observed: Observed | None, wanted: list[str]
) -> list[str]:
    notes = []
    if sha256 in ledger.condemned:
        gone = ledger.condemned[sha256]
        notes.append(f"would be refused: it was taken back at {rfc3339(gone.at)}: {gone.reason}")
    elif manifest.version < ledger.floor:
        notes.append(
            f"would be refused: version {ledger.floor} was taken already; use {ledger.floor + 1} or higher"
        )
    elif manifest.version == ledger.floor and sha256 != ledger.floor_sha256:
        notes.append(f"would be refused: version {ledger.floor} is known with other content")
    missing = [r for r in dict.fromkeys(wanted) if observed is not None and r not in observed.images]
    notes += [f"needs a pull: {reference}" for reference in missing]
    return notes
