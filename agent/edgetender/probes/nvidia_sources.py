"""Who is asked about NVIDIA cards, in which order, and when is nobody else asked? Best evidence first."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender.probes import nvidia_smi
from edgetender.probes.nvidia_smi import Gpu, Said
from edgetender.probes.programs import Answer, Programs
from edgetender.probes.tree import Tree

RECORDED = "recorded"  # where a recorded tree keeps what programs and libraries said
_FOLDERS = (
    "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/lib/wsl/lib",
    "usr/lib/aarch64-linux-gnu/tegra", "run/opengl-driver/lib",
)  # fmt: skip
_LIBRARIES = {"cuda": "libcuda.so.1", "nvml": "libnvidia-ml.so.1"}
CHILD = Path(__file__).with_name("nvidia_child.py")
_CUDA_ERRORS = {
    2: "cuda_out_of_memory", 35: "driver_too_old", 100: "no_cuda_device", 209: "no_kernel_image",
    222: "ptx_too_new", 803: "driver_library_mismatch", 804: "forward_compatibility_unsupported",
}  # fmt: skip
_NVML_ERRORS = {9: "driver_missing", 12: "library_missing", 15: "gpu_lost", 18: "driver_library_mismatch"}
_NVML_LOST = (15, 999)  # of one device: lost, or the handle cannot be had at all
_STUCK = ("probe_timeout",)
# nvmlBrandType_t, as libnvidia-container spells them for NVIDIA_REQUIRE_*
_BRANDS = {
    1: "quadro", 2: "tesla", 3: "nvs", 4: "grid", 5: "geforce", 6: "titan", 7: "nvidiavapps", 8: "nvidiavpc",
    9: "nvidiavcs", 10: "nvidiavws", 11: "nvidiacloudgaming", 12: "quadrortx", 13: "nvidiartx", 14: "nvidia",
    15: "geforcertx", 16: "titanrtx",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """One answer and who gave it."""

    name: str
    said: Said


def ask(tree: Tree, programs: Programs) -> tuple[Source, ...]:
    """Every answer worth having: libcuda and NVML, and nvidia-smi where those two named no card.

    Whoever hangs shows that the driver is wedged: then nobody else is asked, so it costs one deadline.
    """
    found: list[Source] = []
    for source in _each(tree, programs):
        if source.said.code == "library_missing" and not source.said.gpus:
            continue
        found.append(source)
        if source.said.code in _STUCK:
            break
    return tuple(found)


def _each(tree: Tree, programs: Programs) -> Iterator[Source]:
    named = False
    for kind in ("cuda", "nvml"):
        said = _library(kind, tree, programs)
        named = named or bool(said.gpus)
        yield Source({"cuda": "libcuda", "nvml": "NVML"}[kind], said)
    if not named:
        yield from _smi(tree, programs)


def _library(kind: str, tree: Tree, programs: Programs) -> Said:
    recorded = tree.text(f"{RECORDED}/{kind}.json")
    if recorded is not None:
        return _read(kind, Answer(recorded, 0))
    library = library_at(tree, kind)
    if library is None:
        return Said(code="library_missing", detail=f"there is no {_LIBRARIES[kind]}")
    # -I and -S: nothing of this process's surroundings goes in; -B: nothing is written
    argv = (sys.executable, "-I", "-S", "-B", str(CHILD), kind, library)
    return _read(kind, programs(kind, argv))


def library_at(tree: Tree, kind: str) -> str | None:
    """What the child loads to ask `cuda` or `nvml`; None where a tree has no such library."""
    name = _LIBRARIES[kind]
    if tree.live:
        return name  # the dynamic linker knows
    at = next((f"{folder}/{name}" for folder in _FOLDERS if tree.exists(f"{folder}/{name}")), None)
    return str(tree.place(at)) if at else None


def _read(kind: str, answer: Answer) -> Said:
    if answer.code:
        return Said(code=answer.code, detail=answer.detail)
    try:
        document = json.loads(answer.output)
        error, detail = document.get("error"), str(document.get("detail", ""))
        if error == -1:
            return Said(code="library_missing", detail=detail)
        if error is not None:
            codes = _CUDA_ERRORS if kind == "cuda" else _NVML_ERRORS
            code = codes.get(error, f"{kind}_error_{error}")
            return Said(code=code, detail=detail or f"{kind} answers with error {error}")
        gpus = tuple(_gpu(each) for each in document["devices"])
        return Said(str(document.get("driver", "")), str(document.get("cuda", "")), gpus)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Said(code="garbage", detail=f"no answer of {kind}: {answer.output[:100]!r}")


def _gpu(found: dict[str, Any]) -> Gpu:
    if "error" in found:
        return Gpu(lost=found["error"] in _NVML_LOST)
    cc = f"{found['major']}.{found['minor']}" if "major" in found and "minor" in found else ""
    mig = {None: "", True: "Enabled", False: "Disabled"}[found.get("mig")]
    pci = nvidia_smi.bus(found.get("pci", ""))
    instances = tuple((each["uuid"], each.get("memory")) for each in found.get("instances", ()))
    return Gpu(
        name=found.get("name", ""),
        uuid=found.get("uuid", ""),
        pci=pci,
        compute_capability=cc,
        memory_bytes=found.get("memory"),
        free_bytes=found.get("free"),
        memory_supported=found.get("memory_supported", True),
        mig=mig,
        instances=instances,
        brand=_BRANDS.get(found.get("brand", 0), ""),
        integrated=bool(found.get("integrated")),
    )


def _smi(tree: Tree, programs: Programs) -> Iterator[Source]:
    for name, reader in (
        ("nvidia-smi.xml", nvidia_smi.xml),
        ("nvidia-smi.csv", nvidia_smi.query),
        ("nvidia-smi-L.txt", nvidia_smi.listed),
        ("nvidia-smi.txt", nvidia_smi.table),
    ):
        if (text := tree.text(f"{RECORDED}/{name}")) is not None:
            yield Source(name.removesuffix(".xml").removesuffix(".txt").removesuffix(".csv"), reader(text))
    program = "nvidia-smi" if tree.live else _program(tree)
    if program is None:
        return
    answer = programs("nvidia-smi", (program, "-q", "-x"))
    if answer.code in ("not_installed", "not_recorded"):
        return  # normal on Jetson up to JetPack 5
    said = nvidia_smi.xml(answer.output)
    if answer.code:
        said = Said(code=answer.code, detail=answer.detail)
    yield Source("nvidia-smi", said)


def _program(tree: Tree) -> str | None:
    return str(tree.place("usr/bin/nvidia-smi")) if tree.exists("usr/bin/nvidia-smi") else None
