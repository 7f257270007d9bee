"""Which image may go when the disk is short of room? Pure.

Only those this agent fetched itself, that no container is made of, and that no way back leads to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from edgetender.decide.resolving import pinned_image
from edgetender.decide.stride import pull_key
from edgetender.errors import DiskFull
from edgetender.model.ledger import Ledger, Slot
from edgetender.model.manifest import Manifest
from edgetender.model.observed import Observed
from edgetender.model.target import Target


def images_of(slots: Iterable[tuple[Slot, Manifest]], ledger: Ledger) -> frozenset[str]:
    """By what name *slots* know their images, those of other variants too: a way down must not need the network."""
    found = (
        pinned_image(slot, variant.image, ledger)
        for slot, manifest in slots
        for module in manifest.modules.values()
        for variant in module.choices
    )
    return frozenset(name for name in found if name is not None)


def rubbish(ledger: Ledger, observed: Observed, kept: Collection[str]) -> tuple[str, ...]:
    """What may go, in the order it should: of condemned versions, of unknown ones, then the oldest first."""
    used = {container.image for container in observed.containers} | set(kept)
    condemned = {sha256[:16] for sha256 in ledger.condemned}
    owners: dict[str, set[str]] = {}
    for key, name in ledger.resolved.items():
        owners.setdefault(name, set()).add(key.split(" ", 1)[0])

    def order(name: str) -> tuple[int, str, str]:
        known = owners.get(name, set())
        rank = 0 if known & condemned else 2 if known else 1
        return rank, ledger.pulled[name].isoformat(), name

    return tuple(sorted((n for n in ledger.pulled if n in observed.images and n not in used), key=order))


def is_short(ledger: Ledger, target: Target, free_bytes: int | None, keep_free_bytes: int) -> bool:
    """Whether room is wanted: a pull found too little of it, or less is free than the owner wants."""
    tried = (ledger.attempts.get(pull_key(wanted.reference)) for wanted in target.fetch)
    if any(attempt is not None and attempt.code == DiskFull.code for attempt in tried):
        return True
    return free_bytes is not None and free_bytes < keep_free_bytes
