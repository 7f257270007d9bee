"""What does a decision depend on? `facts export` writes it down, `explain --facts` decides from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgetender.clock import rfc3339
from edgetender.codec import decode
from edgetender.decide.explaining import explain_document, facts_hash
from edgetender.decide.resolving import known
from edgetender.decide.variants import Known
from edgetender.errors import ManifestInvalid, NotFound, Problem
from edgetender.model.facts_json import hardware_of, plain
from edgetender.model.hardware import Hardware
from edgetender.model.image import ImageTraits
from edgetender.model.ledger import Choice, Demotion, Ledger, Measured, Slot
from edgetender.model.manifest import SCHEMA, Manifest
from edgetender.model.reading import manifest_of, read_manifest

KINDS = ("Facts", "Hardware")


@dataclass(frozen=True, slots=True)
class Saved:
    """A device as a document holds it; a Hardware document knows no manifest and no history."""

    hardware: Hardware
    manifest: Manifest | None
    by_module: Mapping[str, Known]


def facts_document(device: str, hardware: Hardware, ledger: Ledger) -> dict[str, Any]:
    """Everything that choosing a variant depends on; no secret is among it, environments are left out."""
    slot = ledger.candidate or ledger.accepted
    manifest = read_manifest(slot.body.encode()) if slot is not None else None
    return {
        "apiVersion": SCHEMA,
        "kind": "Facts",
        "device": device,
        "hash": facts_hash(hardware),
        "facts": [plain(fact) for fact in hardware.facts],
        "manifest": _without_environments(decode(slot.body.encode())) if slot is not None else None,
        "known": {
            name: _known(known(slot, name, module, ledger)) for name, module in manifest.modules.items()
        }
        if manifest is not None and slot is not None
        else {},
    }


def explained(module: str, hardware: Hardware, ledger: Ledger, body: bytes | None = None) -> dict[str, Any]:
    """The explanation of a module of what is being applied, else of what runs; or of the manifest in *body*."""
    slot = ledger.candidate or ledger.accepted
    if body is not None:
        manifest = read_manifest(body)
    elif slot is not None:
        manifest = read_manifest(slot.body.encode())
    else:
        raise NotFound(f"cannot explain {module!r}: nothing is deployed here yet")
    mine = _mine(module, manifest, slot, ledger)
    return explain_document(module, manifest, hardware, mine)


def _mine(module: str, manifest: Manifest, slot: Slot | None, ledger: Ledger) -> Known:
    if module not in manifest.modules or slot is None:
        return Known(ledger.demotions)
    return known(slot, module, manifest.modules[module], ledger)


def replayed(module: str, document: Any, manifest: Any = None) -> dict[str, Any]:
    """The explanation from a saved document, byte for byte the device's own. Raises ManifestInvalid, NotFound."""
    saved = saved_of(document)
    wanted = manifest_of(manifest) if manifest is not None else saved.manifest
    if wanted is None:
        raise NotFound(f"cannot explain {module!r}: the document holds no manifest; name one with -f")
    return explain_document(module, wanted, saved.hardware, saved.by_module.get(module, Known()))


def saved_of(document: Any) -> Saved:
    """Read what `facts export` or `hardware -o json` wrote. Raises ManifestInvalid."""
    try:
        if not isinstance(document, dict) or document.get("kind") not in KINDS:
            raise ValueError("it is neither of kind Facts nor Hardware")  # noqa: TRY301  # all faults end the same way
        hardware = hardware_of(document.get("facts"))
        found = {str(name): _known_of(each) for name, each in (document.get("known") or {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestInvalid(
            (Problem("", "facts.malformed", f"no saved facts: {error}; edgetender facts export prints some"),)
        ) from error
    body = document.get("manifest")
    return Saved(hardware, manifest_of(body) if body is not None else None, found)


def _without_environments(document: Any) -> Any:
    """Environments may hold what only the device shall know, and no choice depends on them."""
    if isinstance(document, dict):
        return {key: _without_environments(value) for key, value in document.items() if key != "env"}
    if isinstance(document, list):
        return [_without_environments(each) for each in document]
    return document


def _known(found: Known) -> dict[str, Any]:
    return {
        "pinned": found.pinned,
        "held": _held(found.held) if found.held is not None else None,
        "demotions": [
            {
                "module": d.module, "variant": d.variant, "image": d.image, "reason": d.reason, "at": rfc3339(d.at),
                "code": d.code, "part": d.part, "fingerprint": d.fingerprint, "times": d.times,
                "until": rfc3339(d.until) if d.until else None,
            }
            for d in found.demotions
        ],
        "images": {
            image: {
                "architecture": t.architecture, "variant": t.variant, "require": list(t.require),
                "sass": list(t.sass), "ptx": list(t.ptx), "downloadBytes": t.download_bytes,
            }
            for image, t in found.traits.items()
        },
        "measured": {
            image: {"p95S": m.p95_s, "fingerprint": m.fingerprint, "at": rfc3339(m.at)}
            for image, m in found.figures.items()
        },
        "unfetched": sorted(found.unfetched),
    }  # fmt: skip


def _known_of(found: Any) -> Known:
    demotions = tuple(
        Demotion(
            d["module"], d["variant"], d["image"], d["reason"], datetime.fromisoformat(d["at"]), d["code"], d["part"],
            d["fingerprint"], datetime.fromisoformat(d["until"]) if d["until"] else None, d["times"],
        )
        for d in found["demotions"]
    )  # fmt: skip
    traits = {
        image: ImageTraits(
            t["architecture"],
            t["variant"],
            tuple(t["require"]),
            tuple(t["sass"]),
            tuple(t["ptx"]),
            t["downloadBytes"],
        )
        for image, t in found["images"].items()
    }
    held = found["held"]
    figures = {
        image: Measured(m["p95S"], m["fingerprint"], datetime.fromisoformat(m["at"]))
        for image, m in found.get("measured", {}).items()  # younger than the document
    }
    before = _held_of(held) if held is not None else None
    unfetched = frozenset(found.get("unfetched", ()))
    return Known(demotions, traits, found["pinned"], before, figures, unfetched)


def _held(held: Choice) -> dict[str, Any]:
    """As much of it as a verdict depends on."""
    return {
        "variant": held.variant, "image": held.image, "devices": list(held.devices), "measuring": held.measuring,
        "better": held.better, "waits": held.waits,
    }  # fmt: skip


def _held_of(found: Any) -> Choice:
    younger = {key: found[key] for key in ("measuring", "better", "waits") if key in found}
    return Choice(found["variant"], found["image"], tuple(found["devices"]), **younger)
