"""What is on the buses and in the device tree, by bare ids: so that a variant can ask for what no probe knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import Fact
from edgetender.probes import pci
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree

# Kinds of device nodes that a container may be given; a terminal or a disk is never asked for by a variant.
_NODES = (
    "accel",
    "dri",
    "hailo",
    "apex_",
    "fastrpc",
    "kfd",
    "nvidia",
    "nvhost",
    "nvmap",
    "video",
    "rknpu",
    "dxg",
    "media",
)


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    tree = Tree(root)
    found = pci.slots(tree)
    source = tree.shown(pci.FOLDER)
    names = tuple(sorted({slot.name for slot in found})) if found is not None else None
    yield Fact("pci", names, source, "" if found is not None else "no PCI bus is shown here")
    usb = {_usb(tree, name) for name in tree.names("sys/bus/usb/devices")} - {""}
    yield Fact("usb", tuple(sorted(usb)), tree.shown("sys/bus/usb/devices"))
    compatible = tree.text("proc/device-tree/compatible")
    yield Fact(
        "dt_compatible",
        tuple(part.strip() for part in compatible.split("\0") if part.strip()) if compatible else (),
        tree.shown("proc/device-tree/compatible"),
        "" if compatible else "no device tree",
    )
    yield Fact("device_nodes", tuple(sorted(_nodes(tree))), tree.shown("dev"))
    for name in ("sys_vendor", "product_name", "board_name"):
        if text := tree.line(f"sys/class/dmi/id/{name}"):
            yield Fact(f"dmi_{name}", text, tree.shown(f"sys/class/dmi/id/{name}"))


def _usb(tree: Tree, name: str) -> str:
    at = f"sys/bus/usb/devices/{name}"
    vendor, product = tree.line(f"{at}/idVendor"), tree.line(f"{at}/idProduct")
    return f"{vendor}:{product}" if vendor and product else ""


def _nodes(tree: Tree) -> Iterator[str]:
    for name in tree.names("dev"):
        if not name.startswith(_NODES):
            continue
        inside = tree.names(f"dev/{name}") if name in ("dri", "accel", "nvidia-caps") else []
        yield from (f"/dev/{name}/{each}" for each in inside if each != "by-path")
        if not inside:
            yield f"/dev/{name}"
