"""Which AMD accelerators are there? Compute nodes of the kernel's KFD, the bus, rocm-smi's recorded word, XDNA."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgetender.model.hardware import Fact, Layer
from edgetender.probes import pci
from edgetender.probes.nvidia_sources import RECORDED
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.render import nodes_of
from edgetender.probes.tree import Tree

_TOPOLOGY = "sys/class/kfd/kfd/topology/nodes"


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    tree = Tree(root)
    nodes = list(_kfd(tree))
    yield Fact("amd_compute_nodes", len(nodes), tree.shown(_TOPOLOGY))
    at = {slot.address: slot for slot in pci.of(tree, pci.AMD)}
    for number, (address, gfx) in enumerate(nodes):
        key = address if address in at else f"amd{number}"
        yield from _node(tree, key, gfx)
    for slot in at.values():
        yield from pci.facts(
            tree, slot, "amd", "npu" if slot.driver == "amdxdna" else "discrete", slot.address
        )
        yield from nodes_of(tree, slot)
        memory = tree.line(f"{pci.FOLDER}/{slot.address}/mem_info_vram_total")
        if memory.isdigit():
            source = tree.shown(f"{pci.FOLDER}/{slot.address}/mem_info_vram_total")
            yield Fact("memory_bytes", int(memory), source, "", slot.address, Layer.DRIVEN)
    yield from _rocm_smi(tree)


def _kfd(tree: Tree) -> Iterator[tuple[str, str | None]]:
    """(PCI address, gfx) of each node with compute units; `gfx_target_version` 90010 is gfx90a."""
    for name in sorted(tree.names(_TOPOLOGY), key=lambda text: (len(text), text)):
        found = dict(
            re.findall(r"^(\w+) (\d+)$", tree.text(f"{_TOPOLOGY}/{name}/properties") or "", re.MULTILINE)
        )
        if not int(found.get("simd_count", 0)):
            continue
        location, domain = int(found.get("location_id", 0)), int(found.get("domain", 0))
        address = f"{domain:04x}:{location >> 8:02x}:{location >> 3 & 31:02x}.{location & 7}"
        yield address, gfx(int(found.get("gfx_target_version", 0)))


def gfx(version: int) -> str | None:
    """90010 → gfx90a, 110000 → gfx1100: decimal major, minor, step; the last two are hexadecimal digits."""
    if not version:
        return None
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _node(tree: Tree, key: str, target: str | None) -> Iterator[Fact]:
    source = tree.shown(_TOPOLOGY)
    yield Fact("vendor", "amd", source, device=key, layer=Layer.DRIVEN)
    yield Fact("kind", "discrete", source, device=key, layer=Layer.DRIVEN)
    yield Fact("present", value=True, source=source, device=key, layer=Layer.PRESENT)
    yield Fact("driven", value=True, source=source, device=key, layer=Layer.DRIVEN)
    why = "" if target else "the kernel does not say its gfx_target_version"
    yield Fact("gfx", target, source, why, key, Layer.DRIVEN, "" if target else "not_said")


def _rocm_smi(tree: Tree) -> Iterator[Fact]:
    text = tree.text(f"{RECORDED}/rocm-smi.json")
    if text is None:
        return
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError:
        yield Fact("amd_driver", None, "rocm-smi", "its answer is no JSON", code="garbage")
        return
    driver = document.get("system", {}).get("Driver version")
    yield Fact("amd_driver", driver, "rocm-smi", "" if driver else "not said")
    for name in sorted(key for key in document if re.fullmatch(r"card\d+", key)):
        card = document[name]
        bus = str(card.get("PCI Bus", "")).lower()
        key = bus if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", bus) else f"amd-{name}"
        yield Fact("vendor", "amd", "rocm-smi", device=key, layer=Layer.CONSISTENT)
        yield Fact("kind", "discrete", "rocm-smi", device=key, layer=Layer.CONSISTENT)
        series = card.get("Card series") or card.get("Card Series")
        series = None if series in (None, "", "N/A") or str(series).startswith("0x") else str(series)
        yield Fact("name", series, "rocm-smi", "" if series else "not said", key, Layer.CONSISTENT)
        memory = str(card.get("VRAM Total Memory (B)", ""))
        size = int(memory) if memory.isdigit() else None
        yield Fact("memory_bytes", size, "rocm-smi", "" if size else "not said", key, Layer.CONSISTENT)
