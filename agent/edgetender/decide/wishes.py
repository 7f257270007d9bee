"""What becomes of a person's wish: about a module's variant, or about the floor that was lost. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgetender.decide.stride import pull_key
from edgetender.model.ledger import Decision, Delivery, Ledger
from edgetender.model.manifest import MAX_VERSION, Manifest

ACTIONS = ("pin", "unpin", "forget")


def variant_wish(
    delivery: Delivery, wish: dict[str, Any], ledger: Ledger, manifest: Manifest | None
) -> tuple[Ledger, Decision]:
    """The ledger after *wish* (`module`, `action`, `variant`), decided on the manifest that is being applied."""
    module, action, variant = str(wish.get("module")), wish.get("action"), wish.get("variant")
    if action not in ACTIONS:
        return ledger, Decision(delivery.id, 400, f"cannot do {action!r}: pin, unpin or forget")
    if manifest is None or module not in manifest.modules:
        there = ", ".join(sorted(manifest.modules)) if manifest is not None else ""
        why = f"cannot {action} a variant of {module!r}: no such module here (there are: {there or 'none'})"
        return ledger, Decision(delivery.id, 404, why)
    names = [each.name for each in manifest.modules[module].choices]
    if (variant is not None and variant not in names) or (variant is None and action == "pin"):
        why = f"cannot {action} {variant!r}: {module} has no such variant (it has: {', '.join(names)})"
        return ledger, Decision(delivery.id, 404, why)
    match action:
        case "pin":
            after = replace(ledger, pins={**ledger.pins, module: str(variant)})
            said = f"{module} runs as {variant} and nothing else"
        case "unpin":
            after = replace(ledger, pins={name: one for name, one in ledger.pins.items() if name != module})
            said = f"{module} runs as the first variant that fits"
        case _:
            kept = tuple(
                d for d in ledger.demotions if d.module != module or variant not in (None, d.variant)
            )
            after = replace(ledger, demotions=kept, attempts=_without(ledger, manifest, module))
            said = f"what {module} failed at is forgotten"
    return _anew(after, module), Decision(delivery.id, 200, said)


def floor_wish(delivery: Delivery, wish: dict[str, Any], ledger: Ledger) -> tuple[Ledger, Decision]:
    """The ledger after *wish* (`floor`): the newest version this device had, where nothing else knows it."""
    floor = wish.get("floor")
    if isinstance(floor, bool) or not isinstance(floor, int) or not 1 <= floor <= MAX_VERSION:
        return ledger, Decision(delivery.id, 400, "cannot reset the floor: 'floor' is a version, like 13")
    if ledger.floor:
        why = f"cannot reset the floor: nothing was lost, it is {ledger.floor}, and is never lowered"
        return ledger, Decision(delivery.id, 409, why)
    said = f"manifests are taken from version {floor} on, by {delivery.source}"
    return replace(ledger, floor=floor, floor_sha256=""), Decision(delivery.id, 200, said)


def _without(ledger: Ledger, manifest: Manifest, module: str) -> dict[str, Any]:
    pulls = {pull_key(variant.image) for variant in manifest.modules[module].choices}
    return {
        key: one
        for key, one in ledger.attempts.items()
        if key not in pulls and not key.startswith((f"run:{module}:", f"front:{module}:"))
    }


def _anew(ledger: Ledger, module: str) -> Ledger:
    """Chosen as if it had never run: a person does not wait for five stable minutes."""
    choices = {key: one for key, one in ledger.choices.items() if not key.endswith(f" {module}")}
    return replace(ledger, choices=choices)
