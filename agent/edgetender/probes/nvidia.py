"""Which NVIDIA accelerators are there, has a driver taken them, and what do they say they can?

Libraries and nvidia-smi are asked in children, and only where the kernel's files show that there is something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgetender.model.compat import Tables, in_force
from edgetender.model.hardware import Fact, Layer
from edgetender.probes import kernel_log, pci
from edgetender.probes.nvidia_gpus import card_facts
from edgetender.probes.nvidia_sources import RECORDED, Source, ask
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree

VERSION = "proc/driver/nvidia/version"
TEGRA_NODES = ("dev/nvhost-ctrl-gpu", "dev/nvgpu/igpu0/ctrl")  # up to JetPack 5, from JetPack 6 on
_GPUS, _MODULE, _COMPATIBLE = (
    "proc/driver/nvidia/gpus", "sys/module/nvidia/version", "proc/device-tree/compatible",
)  # fmt: skip
_FAILED = ("driver_library_mismatch", "driver_too_old", "forward_compatibility_unsupported")


def probe(root: Path, programs: Programs = no_programs, tables: Tables | None = None) -> Iterator[Fact]:
    """`accelerator` is nvidia only where a driver runs *and* its device node is there for containers."""
    tree, tables = Tree(root), tables or in_force()
    sources = ask(tree, programs) if _signs(tree) else ()
    version, how = _driver(tree)
    where = tree.shown(VERSION)
    loaded = version
    if version is None and (said := next((each for each in sources if each.said.driver), None)):
        version, where, how = said.said.driver, said.name, ""
    yield Fact("nvidia_driver", version, where, how, layer=Layer.DRIVEN)
    slots = pci.slots(tree)
    mine = tuple(slot for slot in slots or () if slot.vendor == pci.NVIDIA and slot.accelerates)
    yield Fact(
        "nvidia_devices",
        len(mine) if slots is not None else None,
        tree.shown(pci.FOLDER),
        "" if slots is not None else "no PCI",
    )
    yield _accelerator(tree, loaded, len(mine))
    if not _signs(tree):
        return
    yield from _cuda(version, where, sources, tables, tegra=is_tegra(tree))
    lost, mismatch = _logged(tree)
    yield from _unheard(tree)
    broken = next((s for s in sources if s.said.code in _FAILED), None)
    trouble = broken.said.code if broken else "driver_library_mismatch" if mismatch else ""
    yield from card_facts(tree, mine, sources, tables, lost, trouble, tegra=is_tegra(tree))
    for source in sources:
        if source.said.code:
            name = f"nvidia_{source.name.lower().removeprefix('nvidia-')}"
            yield Fact(name, None, source.name, source.said.detail, code=source.said.code)


def is_tegra(tree: Tree) -> bool:
    """Whether the accelerator is inside the chip; in a container only the device tree may show it."""
    return (
        re.search(r"nvidia,tegra\d", tree.text(_COMPATIBLE) or "") is not None
        or tree.exists("etc/nv_tegra_release")
        or tree.line("sys/devices/soc0/family").lower().startswith("tegra")
    )


def _signs(tree: Tree) -> bool:
    """Whether asking a library is worth a process: not on the many machines that never saw such a card."""
    return (
        tree.exists(VERSION)
        or tree.exists("dev/nvidiactl")
        or tree.exists("dev/dxg")
        or bool(pci.of(tree, pci.NVIDIA))
        or is_tegra(tree)
        or any(name.startswith(("nvidia-smi", "cuda.", "nvml.")) for name in tree.names(RECORDED))
    )


def _accelerator(tree: Tree, version: str | None, devices: int) -> Fact:
    tegra, place = _tegra(tree)
    if tegra and (node := next((one for one in TEGRA_NODES if tree.exists(one)), None)):
        return Fact("accelerator", "nvidia", tree.shown(node), f"{tegra}, integrated")
    if version is not None:
        return _driven(tree, version)
    if tegra:
        detail = f"{tegra}, but its GPU's device node is missing: containers would see no device"
        return Fact("accelerator", "none", place, detail)
    if devices:
        detail = "an NVIDIA device is there, but no driver has taken it: install the NVIDIA driver"
        return Fact("accelerator", "none", tree.shown(pci.FOLDER), detail)
    detail = "no NVIDIA driver, no NVIDIA device"
    return Fact("accelerator", "none", tree.shown("proc/driver/nvidia"), detail)


def _driven(tree: Tree, version: str) -> Fact:
    if tree.exists(_GPUS) and not tree.names(_GPUS):
        detail = f"driver {version} is loaded, but it drives no device; does `dmesg` say that one was lost?"
        return Fact("accelerator", "none", tree.shown(_GPUS), detail)
    if not tree.exists("dev/nvidiactl"):
        detail = "an NVIDIA driver is loaded, but /dev/nvidiactl is missing: containers would see no device"
        return Fact("accelerator", "none", tree.shown("dev"), detail)
    return Fact("accelerator", "nvidia", tree.shown(VERSION), f"driver {version}")


def _tegra(tree: Tree) -> tuple[str, str]:
    """The SoC, or Jetson where only its release file says so; empty on other machines. And who says so."""
    match = re.search(r"nvidia,(tegra\d+)\b", tree.text(_COMPATIBLE) or "")
    if match:
        return match[1], tree.shown(_COMPATIBLE)
    return ("Jetson" if tree.exists("etc/nv_tegra_release") else ""), tree.shown("etc/nv_tegra_release")


def _driver(tree: Tree) -> tuple[str | None, str]:
    """Its version and its kind, or why there is none."""
    text = tree.text(VERSION) or ""
    # `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct …`, the open module says more before it
    match = re.search(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)(?:\s|$)", text, re.MULTILINE)
    if match:
        return match[1], "open kernel module" if "Open Kernel Module" in text else ""
    loaded = tree.line(_MODULE)
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", loaded):
        return loaded, f"from {tree.shown(_MODULE)}"
    return None, "the driver says no version" if text else "no NVIDIA driver is loaded"


def _cuda(
    version: str | None, where: str, sources: Sequence[Source], tables: Tables, *, tegra: bool
) -> Iterator[Fact]:
    """The highest CUDA the driver runs: its own word, else the table's, which does not hold for Jetson."""
    said = next((source for source in sources if source.said.cuda), None)
    if said is not None:
        yield Fact("cuda", said.said.cuda, said.name, layer=Layer.CONSISTENT)
        return
    if tegra:
        return  # the JetPack tells (jetson.py)
    known = tables.cuda_of_driver(version) if version else None
    table = f"driver {version} ({where}), tables {tables.version}" if version else where
    if known:
        newer = "the driver is newer than the tables: at least this" if known.low else ""
        yield Fact("cuda", known.value, table, newer, layer=Layer.DRIVEN, low=True)
    else:
        yield Fact("cuda", None, table, "no driver says what it runs", code="driver_missing")


def _logged(tree: Tree) -> tuple[frozenset[str], bool]:
    lines = kernel_log.told(tree)
    return frozenset(line.at for line in lines if line.lost), any(line.mismatch for line in lines)


def _unheard(tree: Tree) -> Iterator[Fact]:
    """That nobody could look whether the kernel gave a card up: its driver's and its bus's word must do."""
    if not tree.exists(kernel_log.RING) or any(tree.text(path) for path in kernel_log.FILES):
        return
    text, why = kernel_log.ring(tree)
    if text is None:
        why += "; whether a card was lost is seen on the bus and by its driver"
        yield Fact("kernel_log", None, tree.shown(kernel_log.RING), why, code="not_permitted")
