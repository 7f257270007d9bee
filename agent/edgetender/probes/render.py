"""Which device nodes and which group does a container need for a card of the direct rendering manager?"""

from __future__ import annotations

from collections.abc import Iterator

from edgetender.model.hardware import Fact, Layer
from edgetender.probes import pci
from edgetender.probes.tree import Tree


def nodes_of(tree: Tree, slot: pci.Slot) -> Iterator[Fact]:
    """`nodes` (what a container is given) and `group` (the number that may open them), where they exist."""
    found = [
        f"{folder}/{name}"
        for kind, folder in (("drm", "dev/dri"), ("accel", "dev/accel"))
        for name in tree.names(f"{pci.FOLDER}/{slot.address}/{kind}")
        if name.startswith(("renderD", "accel")) and tree.exists(f"{folder}/{name}")
    ]
    if slot.vendor == pci.AMD and tree.exists("dev/kfd"):
        found.append("dev/kfd")
    if not found:
        return
    source = tree.shown(found[0])
    nodes = tuple(f"/{node}" for node in sorted(found))
    yield Fact("nodes", nodes, source, device=slot.address, layer=Layer.DRIVEN)
    place = tree.place(found[0])
    try:
        group = place.stat().st_gid if place else None
    except OSError:
        group = None
    yield Fact(
        "group", group, source, "" if group is not None else "cannot be read", slot.address, Layer.DRIVEN
    )
