"""What can the processors do? Level and features that *all* of them have, from the kernel's own flags.

Never from the model's name: hypervisors and kernels hide features, and then their word is what counts.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import ARCHITECTURES, Fact
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree
from edgetender.probes.userland import userland

_X86_LEVELS = (
    ("v2", {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    ("v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
_ARM64_LEVELS = (
    ("v8.1", {"atomics", "crc32", "asimdrdm"}),
    ("v8.2", {"dcpop"}),
    ("v8.3", {"jscvt", "fcma", "lrcpc"}),
    ("v8.4", {"asimddp", "flagm", "dit", "uscat", "ilrcpc"}),
    ("v8.5", {"flagm2", "frint", "sb"}),
    ("v8.6", {"i8mm", "bf16"}),
)
_EVERY_X86 = {"tsc", "msr", "cx8"}  # since the Pentium
_NARROWER = {"arm64": "arm", "amd64": "386"}  # what a 64-bit kernel runs besides
_SUPPORTED = ("amd64", "arm64", "arm")
_ONLY_32_BIT = {"swp", "half", "thumb", "fastmult", "edsp", "vfp", "vfpv3", "vfpv4", "neon", "java"}
_FOREIGN = (
    ("isa", r"rv64", "riscv64"),
    ("isa", r"rv32", "riscv32"),
    ("ISA", r"loongarch64", "loong64"),
    ("CPU Family", r"Loongson-64bit", "loong64"),
    ("vendor_id", r"IBM/S390", "s390x"),
    ("cpu", r"POWER\d", "ppc64le"),
    ("isa", r"mips", "mips"),
    ("cpu model", r"MIPS|Loongson|Octeon", "mips"),
)
_SOURCE = "proc/cpuinfo"
Block = dict[str, str]


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    tree = Tree(root)
    text = tree.text(_SOURCE) or ""
    blocks = [_block(part) for part in re.split(r"\n\s*\n", text)]
    flags, differ = _common(blocks)
    lines = {key: value for block in reversed(blocks) for key, value in block.items()}
    kernel, kernel_source = _kernel_arch(tree)
    arch, arch_source, why = _arch(tree, lines, flags, kernel, kernel_source)
    source = tree.shown(_SOURCE)
    yield Fact("arch", arch, arch_source, why, code="" if arch else "not_readable")
    yield Fact("kernel_arch", kernel, kernel_source, "" if kernel else "the kernel does not say")
    if arch is not None:
        yield Fact("supported", arch in _SUPPORTED, arch_source, "" if arch in _SUPPORTED else _NO_IMAGES)
    yield from _features(arch, lines, flags, source)
    yield Fact("features_differ", differ, source)
    yield from _named(tree, blocks, lines, source)


_NO_IMAGES = "no image of ours runs on this architecture"


def _features(arch: str | None, lines: Block, flags: frozenset[str] | None, source: str) -> Iterator[Fact]:
    missing = "" if flags else "the kernel lists no features; they may be there all the same"
    yield Fact(
        "cpu_features",
        tuple(sorted(flags)) if flags else None,
        source,
        missing,
        code="no_flags" if not flags else "",
    )
    if arch in ("amd64", None) and "vendor_id" in lines and "IBM" not in lines["vendor_id"]:
        level = _level("v1", _X86_LEVELS, flags) if flags else None
        yield Fact("x86_level", level, source, missing, code="" if level else "no_flags")
    if arch == "arm64":
        yield Fact("oci_variant", "v8", source)
        level = _arm64_level(flags) if flags else None
        yield Fact("arm64_level", level, source, missing, code="" if level else "no_flags")
    if arch == "arm":
        yield Fact("oci_variant", _arm_variant(lines), source)
        yield Fact("neon", bool(flags & {"neon", "asimd"}) if flags else None, source, missing)


def _named(tree: Tree, blocks: list[Block], lines: Block, source: str) -> Iterator[Fact]:
    for name, keys in (
        ("cpu_vendor", ("vendor_id",)),
        ("cpu_hardware", ("Hardware",)),
    ):
        value = next((lines[key] for key in keys if lines.get(key)), None)
        if value is not None:
            yield Fact(name, value, source)
    listed = sum("processor" in block for block in blocks) or sum("hart" in block for block in blocks)
    online = tree.line("sys/devices/system/cpu/online")
    if online:
        yield Fact("cpus_online", online, tree.shown("sys/devices/system/cpu/online"))
    cores = _count(online) or listed
    yield Fact("cores", cores or None, source, "" if cores else "the kernel lists no processor")
    makers = sorted(
        {
            f"{block.get('CPU implementer', '').lower()}:{block['CPU part'].lower()}"
            for block in blocks
            if block.get("CPU part")
        }
    )
    if makers or "CPU implementer" in lines:
        yield Fact("cpu_parts", tuple(makers), source)
        yield Fact("heterogeneous", len(makers) > 1, source)
    if "flags" in lines:
        yield Fact("hypervisor", "hypervisor" in lines["flags"].split(), source)


def _block(text: str) -> Block:
    """One processor's lines; the first of a key counts (old ARM kernels write `Processor` and `processor`)."""
    found: Block = {}
    for key, value in re.findall(r"^([^\t:\n]+?)[ \t]*:[ \t]*(.*)$", text, re.MULTILINE):
        found.setdefault(key, value.strip())
    return found


def _common(blocks: list[Block]) -> tuple[frozenset[str] | None, bool]:
    """What every processor has, None where none is listed; and whether they differ."""
    sets = [
        frozenset(block[key].lower().split())
        for block in blocks
        for key in ("flags", "Features", "features")
        if block.get(key)
    ]
    if any(
        "flags" in block for block in blocks
    ):  # a line that was cut off must not look like an old processor
        sets = [each for each in sets if each >= _EVERY_X86]
    if not sets:
        return None, False
    common = frozenset.intersection(*sets)
    return common, any(each != common for each in sets)


def _kernel_arch(tree: Tree) -> tuple[str | None, str]:
    """`uname -m`; a recorded tree has it where its kernel was 6.1 or newer."""
    if tree.live:
        return platform.machine(), "uname"
    path = "proc/sys/kernel/arch"
    return tree.line(path) or None, tree.shown(path)


def _arch(
    tree: Tree, lines: Block, flags: frozenset[str] | None, kernel: str | None, kernel_source: str
) -> tuple[str | None, str, str]:
    """The architecture programs have here, which is that of containers unless the engine says otherwise."""
    native = ARCHITECTURES.get(kernel, kernel) if kernel else _by_flags(lines, flags)
    source = kernel_source if kernel else tree.shown(_SOURCE)
    if native is None:
        return None, source, "neither the kernel nor its processor list says so"
    programs, where = userland(tree)
    if programs is not None and programs == _NARROWER.get(native):
        return programs, where, f"a {programs} userland on a {native} kernel"
    if kernel and flags and native == "arm64" and flags & _ONLY_32_BIT and "asimd" not in flags:
        return "arm", tree.shown(_SOURCE), "a 32-bit view of a 64-bit kernel"
    return native, source, ""


def _by_flags(lines: Block, flags: frozenset[str] | None) -> str | None:
    for key, pattern, arch in _FOREIGN:
        if key in lines and re.search(pattern, lines[key]):
            return arch
    if "flags" in lines:
        return None if flags is None else "amd64" if "lm" in flags else "386"
    if "Features" in lines or "CPU implementer" in lines:
        if flags and flags & _ONLY_32_BIT:
            return "arm"
        said = lines.get("CPU architecture", "")
        return "arm64" if said in ("8", "AArch64") else "arm" if said else None
    return None


def _level(lowest: str, levels: tuple[tuple[str, set[str]], ...], flags: frozenset[str]) -> str:
    best = lowest
    for name, needed in levels:
        if not needed <= flags:
            break
        best = name
    return best


def _arm64_level(flags: frozenset[str]) -> str:
    level = _level("v8", _ARM64_LEVELS, flags)
    return "v9" if "sve2" in flags and level in ("v8.5", "v8.6") else level


def _arm_variant(lines: Block) -> str:
    """v6 hides behind `CPU architecture: 7` on the first Raspberry Pi; its name tells (as containerd knows)."""
    names = f"{lines.get('model name', '')} {lines.get('Processor', '')}"
    if re.search(r"ARMv6|\(v6l\)", names):
        return "v6"
    said = re.match(r"\d+", lines.get("CPU architecture", ""))
    number = int(said[0]) if said else 7
    return "v7" if number >= 7 else f"v{number}"  # noqa: PLR2004  # 8: a 64-bit core in a 32-bit view


def _count(online: str) -> int:
    """How many `0-3,8` are."""
    total = 0
    for part in online.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None:
            return 0
        total += int(match[2] or match[1]) - int(match[1]) + 1
    return total
