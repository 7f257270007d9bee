"""Which Intel accelerators are there? Graphics by i915 or xe, neural processors by intel_vpu."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import Fact
from edgetender.probes import pci
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.render import nodes_of
from edgetender.probes.tree import Tree

_NPU_DRIVER = "intel_vpu"
_ON_CHIP = "0000:00:02.0"  # where Intel puts the graphics of its processors


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    tree = Tree(root)
    slots = pci.slots(tree) or ()
    mine = [slot for slot in slots if slot.vendor == pci.INTEL and _counts(tree, slot)]
    yield Fact("intel_devices", len(mine), tree.shown(pci.FOLDER))
    for slot in mine:
        npu = slot.driver == _NPU_DRIVER or not slot.accelerates
        kind = "npu" if npu else "integrated" if slot.address == _ON_CHIP else "discrete"
        yield from pci.facts(tree, slot, "intel", kind, slot.address)
        yield from nodes_of(tree, slot)


def _counts(tree: Tree, slot: pci.Slot) -> bool:
    return slot.accelerates or bool(tree.names(f"{pci.FOLDER}/{slot.address}/accel"))
