"""What would a manifest change here? The answer to `edgetender plan`; touches nothing. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from edgetender.clock import rfc3339
from edgetender.codec import canonical, decode, sha256_hex
from edgetender.decide.changes import ModuleChange, changes
from edgetender.decide.forecast import disk, missing, pulls, rollouts
from edgetender.decide.gating import gate
from edgetender.decide.resolving import Resolution, resolve
from edgetender.model.gate import ALWAYS, Passage, Rules
from edgetender.model.hardware import Hardware
from edgetender.model.image import Surveyed
from edgetender.model.ledger import Ledger, Slot
from edgetender.model.manifest import SCHEMA, Manifest
from edgetender.model.observed import Observed
from edgetender.model.reading import manifest_of, read_manifest
from edgetender.model.target import ImageWanted
from edgetender.model.units import duration_text

NOT_ASKED = Surveyed()


def questions(
    body: bytes, ledger: Ledger, hardware: Hardware, observed: Observed | None
) -> tuple[ImageWanted, ...]:
    """The images whose registries say what the way there would cost. Raises ManifestInvalid.

    Whoever may ask for a plan shall not choose where this device's passwords go: only registries that a version
    taken here uses are asked, each with the credential that version names.
    """
    manifest = manifest_of(document := decode(body))
    slot = _slot(manifest, canonical(document), ledger)
    here = _taken(ledger, hardware)
    mine = {(one.parsed.registry, one.credential) for one in here}
    wanted = missing(resolve(slot, manifest, hardware, ledger), ledger, observed)
    asked = [one for one in wanted if (one.parsed.registry, one.credential) in mine]
    return (*asked, *here) if asked else ()


def plan_document(
    body: bytes,
    ledger: Ledger,
    hardware: Hardware,
    observed: Observed | None,
    rules: Rules = ALWAYS,
    now: datetime | None = None,
    surveyed: Surveyed = NOT_ASKED,
    free_bytes: int | None = None,
    *,
    back: bool = False,
) -> dict[str, Any]:
    """What the manifest in *body* would change against what is accepted. Raises ManifestInvalid.

    With *now* also what it would wait for by *rules* and holds; *surveyed* are the answers to `questions`.
    *back*: a person goes back to it, so neither its number nor what became of it here stands against it, and no
    window is waited for.
    """
    document = decode(body)
    manifest = manifest_of(document)
    text = canonical(document)
    running = read_manifest(ledger.accepted.body.encode()) if ledger.accepted else None
    found = changes(running, manifest)
    slot = _slot(manifest, text, ledger)
    resolution = resolve(slot, manifest, hardware, ledger)
    chosen = {c.module: c for c in resolution.considered if c.verdict == "chosen"}
    passed = _passed_over(resolution)
    blocked = dict(resolution.blocked)
    wanted = missing(resolution, ledger, observed)
    told = pulls(wanted, _taken(ledger, hardware), surveyed)
    rollout = rollouts(manifest, resolution, hardware)
    coming = replace(ledger, candidate=slot, passage=Passage(slot.sha256, hurry=back))
    anew = ledger.accepted is None or ledger.accepted.sha256 != slot.sha256  # what runs waits for nothing
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
                "why": blocked.get(change.module)
                or passed.get(change.module)
                or _because(change, chosen.get(change.module)),
                "details": [{"what": f.field, "from": f.before, "to": f.after} for f in change.fields],
                "rollout": rollout.get(change.module, "") if change.action == "change" else "",
            }
            for change in found
        ],
        "pulls": told,
        "disk": disk(wanted, told, free_bytes),
        "notes": [
            *([] if back else _refusals(manifest, sha256_hex(text), ledger)),
            *(f"needs a pull: {one.reference}" for one in wanted),
            *(_waits(resolution, coming, hardware, observed, rules, now) if now is not None and anew else []),
        ],
    }


def _taken(ledger: Ledger, hardware: Hardware) -> tuple[ImageWanted, ...]:
    """The images of the versions that were taken here."""
    slots = [slot for slot in (ledger.accepted, ledger.candidate) if slot is not None]
    found = (resolve(slot, read_manifest(slot.body.encode()), hardware, ledger).wanted for slot in slots)
    return tuple({one.reference: one for wanted in found for one in wanted}.values())


def _waits(
    resolution: Resolution,
    coming: Ledger,
    hardware: Hardware,
    observed: Observed | None,
    rules: Rules,
    now: datetime,
) -> list[str]:
    slot = coming.accepted
    before = resolve(slot, read_manifest(slot.body.encode()), hardware, coming) if slot else None
    found = gate(coming, rules, observed or Observed(), resolution, before, now)
    shut = {one.why: one for one in (found.download, found.apply) if one is not None}
    until = {
        why: f" {duration_text((one.until - now).total_seconds())}, until {rfc3339(one.until)}"
        for why, one in shut.items()
        if one.until
    }
    held = "hold.operator" in {one.code for one in shut.values()}
    hint = " (edgetender release ends it)" if held else " (override: --now)"
    return [f"would wait{until.get(why, '')}: {why}{hint}" for why in shut]


def _slot(manifest: Manifest, text: bytes, ledger: Ledger) -> Slot:
    at = ledger.accepted.received_at if ledger.accepted else datetime.fromtimestamp(0, UTC)
    return Slot(manifest.deployment, manifest.version, sha256_hex(text), text.decode(), "plan", at)


def _passed_over(resolution: Resolution) -> dict[str, str]:
    """By module, why the variants that come before the chosen one are not taken."""
    found: dict[str, list[str]] = {}
    chosen: set[str] = set()
    for one in resolution.considered:  # each module's in the order of the manifest
        if one.verdict == "chosen":
            chosen.add(one.module)
        elif one.module not in chosen and one.verdict in ("rejected", "demoted"):
            found.setdefault(one.module, []).append(f"{one.variant} {one.verdict}: {one.because}")
    return {module: "; ".join(why) for module, why in found.items() if module in chosen}


def _because(change: ModuleChange, chosen: Any) -> str:
    if change.action == "remove":
        return "the manifest has no such module"
    return chosen.because if chosen is not None else ""


def _refusals(manifest: Manifest, sha256: str, ledger: Ledger) -> list[str]:
    if sha256 in ledger.condemned:
        gone = ledger.condemned[sha256]
        return [f"would be refused: it was taken back at {rfc3339(gone.at)}: {gone.reason}"]
    if manifest.version < ledger.floor:
        newer = ledger.floor + 1
        return [f"would be refused: version {ledger.floor} was taken already; use {newer} or higher"]
    if manifest.version == ledger.floor and sha256 != ledger.floor_sha256:
        return [f"would be refused: version {ledger.floor} is known with other content"]
    return []
