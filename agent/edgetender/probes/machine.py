"""The machine itself: architecture, cores, memory, model, kernel; read from the kernel's files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgetender.model.hardware import Fact, native_architecture
from edgetender.probes import arm_cores
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree
from edgetender.probes.userland import glibc

# /proc/cpuinfo names a core differently on each architecture: x86, LoongArch, MIPS, RISC-V, POWER
_CPU_NAMES = ("model name", "Model Name", "cpu model", "uarch", "cpu")
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")  # os-release(5), in this order
# what makers of boards leave in DMI when they do not fill it in
_UNFILLED = re.compile(
    r"to be filled|default string|system product name|not applicable|^(none|o\.e\.m\.)$", re.IGNORECASE
)


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    yield Fact("arch", native_architecture(), "uname")
    yield from _cpu(root)
    yield _memory(root)
    yield _model(root)
    yield _text("kernel", root / "proc/sys/kernel/osrelease")
    yield from _system(root)
    yield glibc(Tree(root))


def _cpu(root: Path) -> Iterator[Fact]:
    path = root / "proc/cpuinfo"
    text = _read(path)
    source = str(path)
    if text is None:
        yield Fact("cpu_model", None, source, "cannot be read")
        yield Fact("cpu_count", None, source, "cannot be read")
        return
    lines = dict(re.findall(r"^([^\t:\n]+?)\s*:[ \t]*(.+)$", text, re.MULTILINE))
    name = _core_names(text, lines) or next((lines[key].strip() for key in _CPU_NAMES if key in lines), None)
    yield Fact("cpu_model", name, source, "" if name else "the kernel does not name it")
    # `processor` counts; ARM of one core before Linux 3.8 says `Processor` only, s390 `# processors`
    count = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    count = count or int(lines.get("# processors", "0")) or text.startswith("Processor")
    yield Fact("cpu_count", int(count) or None, source, "" if count else "the kernel lists no processor")


def _core_names(cpuinfo: str, lines: Mapping[str, str]) -> str:
    """ARM's lines for people name a board or a whole family, so they count only where a number says nothing."""
    cores = arm_cores.names(cpuinfo)
    if all(core.known for core in cores):
        return " + ".join(core.name for core in cores)
    return lines.get("Hardware", "").strip() or " + ".join(core.name for core in cores)


def _memory(root: Path) -> Fact:
    path = root / "proc/meminfo"
    match = re.search(r"^MemTotal:\s+(\d+) kB", _read(path) or "", re.MULTILINE)
    return Fact(
        "memory_bytes", int(match[1]) * 1024 if match else None, str(path), "" if match else "cannot be read"
    )


def _model(root: Path) -> Fact:
    """Boards name themselves in the device tree, PCs in DMI."""
    for place in ("proc/device-tree/model", "sys/class/dmi/id/product_name", "sys/class/dmi/id/board_name"):
        text = (_read(root / place) or "").strip("\0 \n")
        if text and not _UNFILLED.search(text):
            return Fact("model", text, str(root / place))
    return Fact("model", None, "device tree, DMI", "neither names the machine")


def _system(root: Path) -> Iterator[Fact]:
    path = next((one for place in _OS_RELEASE if (one := root / place).exists()), root / _OS_RELEASE[0])
    text = _read(path) or ""
    for name, key in (("os", "PRETTY_NAME"), ("os_id", "ID")):
        match = re.search(rf"""^{key}=["']?([^"'\n]+)""", text, re.MULTILINE)
        yield Fact(name, match[1] if match else None, str(path), "" if match else "does not say")


def _text(name: str, path: Path) -> Fact:
    text = (_read(path) or "").strip()
    return Fact(name, text or None, str(path), "" if text else "cannot be read")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
