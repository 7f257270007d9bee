"""What is left of a new version when one of its modules is no good and its author said `atomic: false`? Pure.

The rest of it, with that module as the accepted version has it: a manifest as any other, which is on trial from then
on. So there is no second way of rolling back, and what runs is always what one manifest says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from edgetender.codec import canonical, sha256_hex
from edgetender.decide.resolving import resolution_key
from edgetender.errors import ManifestInvalid
from edgetender.model.gate import Passage
from edgetender.model.ledger import Ledger, Slot
from edgetender.model.manifest import Manifest
from edgetender.model.reading import manifest_of

T = TypeVar("T")


def parted(ledger: Ledger, module: str, reason: str) -> Ledger | None:
    """The ledger with the candidate's rest in its place; None where all of it is to go back.

    That is when its author said nothing else, when nothing of it would be left, when the module is as it was before,
    and when the rest does not hold together (others depend on the module, or one tag names two images).
    """
    candidate, accepted = ledger.candidate, ledger.accepted
    if candidate is None or accepted is None:
        return None
    new, old = json.loads(candidate.body), json.loads(accepted.body)
    if new.get("update", {}).get("atomic", True) or module not in new["modules"]:
        return None
    document = _without(new, old, module)
    if document["modules"] in (old["modules"], new["modules"]):
        return None
    try:
        manifest = manifest_of(document)
    except ManifestInvalid:
        return None
    body = canonical(document)
    slot = replace(
        candidate,
        sha256=sha256_hex(body),
        body=body.decode(),
        without=(*candidate.without, reason),
    )
    names = _names(manifest, module, candidate, accepted, ledger)
    if names is None:
        return None
    keys = {resolution_key(slot, what): old_key for what, old_key in names.items()}
    return replace(
        ledger,
        candidate=slot,
        settling_since=None,
        passage=Passage(slot.sha256, began=True),
        resolved=_also(ledger.resolved, keys),
        traits=_also(ledger.traits, keys),
        choices=_also(ledger.choices, keys),
    )


def _without(new: dict[str, Any], old: dict[str, Any], module: str) -> dict[str, Any]:
    modules = {name: one for name, one in new["modules"].items() if name != module}
    if module in old["modules"]:
        modules[module] = old["modules"][module]
    registries = {**old.get("registries", {}), **new.get("registries", {})}
    return {**new, "modules": modules} | ({"registries": registries} if registries else {})


def _names(
    manifest: Manifest, module: str, candidate: Slot, accepted: Slot, ledger: Ledger
) -> dict[str, str] | None:
    """Under which key each module and image of *manifest* is known already; None where one name means two images."""
    found: dict[str, str] = {}
    for name, one in manifest.modules.items():
        slot = accepted if name == module else candidate
        for what in (name, *(variant.image for variant in one.choices)):
            key = resolution_key(slot, what)
            known = found.setdefault(what, key)
            if ledger.resolved.get(known) != ledger.resolved.get(key):
                return None
    return found


def _also(notes: Mapping[str, T], keys: Mapping[str, str]) -> dict[str, T]:
    return {**notes, **{new: notes[old] for new, old in keys.items() if old in notes}}
