"""What would the way to a version cost: bytes, room on the disk, a gap? Pure: what registries said is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgetender.decide.fronting import mechanism
from edgetender.decide.resolving import Resolution, pinned_image, wants_nvidia
from edgetender.model.front import NONE
from edgetender.model.hardware import Hardware
from edgetender.model.image import ImageFacts, Layer, Surveyed, room_bytes
from edgetender.model.ledger import Ledger
from edgetender.model.manifest import Manifest
from edgetender.model.observed import Observed
from edgetender.model.target import ImageWanted
from edgetender.model.units import duration_text

_NOT_ASKED = "no version here uses this registry, with this credential, yet: it was not asked"


def missing(resolution: Resolution, ledger: Ledger, observed: Observed | None) -> tuple[ImageWanted, ...]:
    """The images that would have to be fetched, each once; none while nobody looked at what is here."""
    if observed is None:
        return ()
    found = {
        one.reference: one
        for one in resolution.wanted
        if one.reference not in observed.images
        and pinned_image(resolution.slot, one.reference, ledger) not in observed.images
    }
    return tuple(found.values())


def pulls(
    wanted: Iterable[ImageWanted], here: Iterable[ImageWanted], surveyed: Surveyed
) -> list[dict[str, Any]]:
    """What each of *wanted* would bring; layers that it shares with an image that is *here* are not fetched again.

    Bytes are None, and `why` says why, where its registry did not answer in time.
    """
    known = frozenset(layer.digest for one in here for layer in _layers(surveyed.facts.get(one.reference)))
    return [_pull(one, known, surveyed) for one in wanted]


def disk(wanted: Iterable[ImageWanted], told: Iterable[Mapping[str, Any]], free_bytes: int | None) -> Any:
    """What the engine's disk needs for all of it, and has; None where either is not known."""
    sizes = [one["bytes"] for one in told]
    if free_bytes is None or not sizes or None in sizes:
        return None
    asked = sum(one.disk_bytes for one in wanted)
    return {"needBytes": room_bytes(sum(sizes), asked), "haveBytes": free_bytes}


def rollouts(manifest: Manifest, resolution: Resolution, hardware: Hardware) -> dict[str, str]:
    """How each module's new container would take over, by name; without those that cannot run here."""
    told = {}
    for choice in resolution.choices:
        module = manifest.modules[choice.module]
        variant = next(one for one in module.choices if one.name == choice.variant)
        front = mechanism(module, manifest.update, hardware, gpu=wants_nvidia(variant))
        probed = module.health.http is not None or module.health.docker
        ready = f"ready within {duration_text(module.health.deadline)}" if probed else "runs"
        gate = f"{ready}, and well for {duration_text(manifest.update.settle)}"
        told[choice.module] = (
            f"stop, start; {gate}; away until it serves"
            if front == NONE
            else f"start beside, switch by {front}; {gate}; no gap"
        )
    return told


def _pull(wanted: ImageWanted, known: frozenset[str], surveyed: Surveyed) -> dict[str, Any]:
    facts = surveyed.facts.get(wanted.reference)
    told = {"module": wanted.module, "image": wanted.reference}
    if facts is None:
        why = surveyed.unknown.get(wanted.reference, _NOT_ASKED)
        return told | {"bytes": None, "totalBytes": None, "layers": None, "layersCached": None, "why": why}
    layers = _layers(facts)
    cached = [layer for layer in layers if layer.digest in known]
    return told | {
        "bytes": facts.download_bytes - sum(layer.size_bytes for layer in cached),
        "totalBytes": facts.download_bytes,
        "layers": len(layers),
        "layersCached": len(cached),
        "why": "",
    }


def _layers(facts: ImageFacts | None) -> tuple[Layer, ...]:
    return facts.layers if facts is not None else ()
