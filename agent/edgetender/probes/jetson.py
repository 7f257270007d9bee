"""Is this a Jetson, with which L4T, and so which JetPack, CUDA and TensorRT? By the SoC, never by the board's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgetender.model.compat import Known, Tables, in_force
from edgetender.model.hardware import Fact, Layer
from edgetender.probes.memory import total_bytes
from edgetender.probes.nvidia import TEGRA_NODES, is_tegra
from edgetender.probes.nvidia_gpus import TEGRA
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree

_RELEASE, _COMPATIBLE, _DPKG = "etc/nv_tegra_release", "proc/device-tree/compatible", "var/lib/dpkg/status"
_STATUS_BYTES = 16 * 1024 * 1024


def probe(root: Path, programs: Programs = no_programs, tables: Tables | None = None) -> Iterator[Fact]:  # noqa: ARG001
    tree, tables = Tree(root), tables or in_force()
    if not is_tegra(tree):
        yield Fact("tegra", value=False, source=tree.shown(_COMPATIBLE))
        return
    yield Fact("tegra", value=True, source=tree.shown(_COMPATIBLE))
    match = re.search(r"nvidia,(tegra\d+)(?=[\0,\s]|$)", tree.text(_COMPATIBLE) or "")
    soc, source = match[1] if match else None, tree.shown(_COMPATIBLE)
    yield Fact("soc", soc, source, "" if soc else "the device tree names no chip")
    release, where = _release(tree)
    yield Fact(
        "l4t",
        release,
        where,
        "" if release else "no L4T release is recorded here",
        code="" if release else "l4t_missing",
    )
    yield from _concluded(release, where, tables)
    yield from _accelerator(tree, soc, source, tables)


def _release(tree: Tree) -> tuple[str | None, str]:
    text = tree.text(_RELEASE) or ""
    match = re.search(r"# R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", text)
    if match:
        return _three(f"{match[1]}.{match[2]}"), tree.shown(_RELEASE)
    status = (tree.bytes(_DPKG, _STATUS_BYTES) or b"").decode(errors="replace")
    match = re.search(r"^Package: nvidia-l4t-core\n(?:.+\n)*?Version: (\d+(?:\.\d+)+)", status, re.MULTILINE)
    return (_three(match[1]), tree.shown(_DPKG)) if match else (None, tree.shown(_RELEASE))


def _three(release: str) -> str:
    """`32.5` is 32.5.0."""
    return ".".join([*release.split("."), "0", "0"][:3])


def _concluded(release: str | None, where: str, tables: Tables) -> Iterator[Fact]:
    for name in ("jetpack", "cuda", "tensorrt"):
        known: Known | None = None
        if release:
            known = tables.jetpack(release) if name == "jetpack" else tables.of_jetpack(release, name)
        source = f"L4T {release} ({where}), tables {tables.version}" if release else where
        if known is None:
            why = "this L4T is not in the tables" if release else "the L4T release is unknown"
            yield Fact(name, None, source, why, code="l4t_unknown" if release else "l4t_missing")
        else:
            newer = "of its nearest known neighbour: this L4T is not in the tables" if known.low else ""
            yield Fact(name, known.value, source, newer, low=known.low)


def _accelerator(tree: Tree, soc: str | None, source: str, tables: Tables) -> Iterator[Fact]:
    yield Fact("vendor", "nvidia", source, device=TEGRA, layer=Layer.PRESENT)
    yield Fact("kind", "integrated", source, device=TEGRA, layer=Layer.PRESENT)
    yield Fact("present", value=True, source=source, device=TEGRA, layer=Layer.PRESENT)
    known = tables.soc(soc) if soc else None
    missing = "" if known else "the chip is not in the tables"
    yield Fact(
        "compute_capability", known.value if known else None, source, missing, TEGRA, Layer.PRESENT,
        "" if known else "soc_unknown",
    )  # fmt: skip
    if soc:
        yield Fact("name", soc, source, device=TEGRA, layer=Layer.PRESENT)
    node = next((path for path in TEGRA_NODES if tree.exists(path)), None)
    yield Fact(
        "driven", node is not None, tree.shown(node or "dev"),
        "" if node else "no node of its driver is in /dev", TEGRA, Layer.DRIVEN, "" if node else "driver_missing",
    )  # fmt: skip
    yield Fact("unified_memory", value=True, source=source, device=TEGRA, layer=Layer.PRESENT)
    shared = total_bytes(tree)
    yield Fact(
        "memory_bytes", shared, tree.shown("proc/meminfo"), "shared with the machine", TEGRA, Layer.PRESENT
    )
