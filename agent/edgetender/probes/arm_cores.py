"""What is an ARM core called? The kernel tells numbers only: MIDR_EL1's implementer and part number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# From the cores' technical reference manuals; what is not here is shown by its numbers.
_CORES: Mapping[str, Mapping[str, str]] = {
    "0x41": {
        "0xb36": "ARM1136",
        "0xb76": "ARM1176",
        "0xc05": "Cortex-A5",
        "0xc07": "Cortex-A7",
        "0xc08": "Cortex-A8",
        "0xc09": "Cortex-A9",
        "0xc0e": "Cortex-A17",
        "0xc0f": "Cortex-A15",
        "0xd03": "Cortex-A53",
        "0xd04": "Cortex-A35",
        "0xd05": "Cortex-A55",
        "0xd07": "Cortex-A57",
        "0xd08": "Cortex-A72",
        "0xd09": "Cortex-A73",
        "0xd0a": "Cortex-A75",
        "0xd0b": "Cortex-A76",
        "0xd0c": "Neoverse-N1",
        "0xd0d": "Cortex-A77",
        "0xd0e": "Cortex-A76AE",
        "0xd40": "Neoverse-V1",
        "0xd41": "Cortex-A78",
        "0xd42": "Cortex-A78AE",
        "0xd44": "Cortex-X1",
        "0xd46": "Cortex-A510",
        "0xd47": "Cortex-A710",
        "0xd48": "Cortex-X2",
        "0xd49": "Neoverse-N2",
        "0xd4b": "Cortex-A78C",
        "0xd4c": "Cortex-X1C",
        "0xd4d": "Cortex-A715",
        "0xd4e": "Cortex-X3",
        "0xd4f": "Neoverse-V2",
        "0xd80": "Cortex-A520",
        "0xd81": "Cortex-A720",
        "0xd82": "Cortex-X4",
        "0xd83": "Neoverse-V3AE",
        "0xd84": "Neoverse-V3",
        "0xd85": "Cortex-X925",
        "0xd87": "Cortex-A725",
        "0xd8e": "Neoverse-N3",
    },
    "0x43": {"0x0a1": "ThunderX", "0x0af": "ThunderX2"},
    "0x46": {"0x001": "A64FX"},
    "0x4e": {"0x000": "Denver", "0x003": "Denver 2", "0x004": "Carmel"},
    "0xc0": {"0xac3": "Ampere-1", "0xac4": "Ampere-1a"},
}
_MAKERS = {
    "0x41": "ARM",
    "0x43": "Cavium",
    "0x46": "Fujitsu",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x51": "Qualcomm",
    "0x53": "Samsung",
    "0x61": "Apple",
    "0xc0": "Ampere",
}
_LINE = re.compile(r"^CPU (implementer|part)\s*:\s*(0x[0-9a-f]+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Core:
    """A kind of core; one that is not *known* is named by its numbers."""

    name: str
    known: bool


def names(cpuinfo: str) -> tuple[Core, ...]:
    """The kinds of cores in */proc/cpuinfo*'s text, in its order, each once; empty where it is not an ARM's."""
    found: dict[Core, None] = {}
    implementer = ""
    for key, number in _LINE.findall(cpuinfo):
        if key == "implementer":
            implementer = number
        elif implementer:
            found[_core(implementer, number)] = None
    return tuple(found)


def _core(implementer: str, part: str) -> Core:
    if known := _CORES.get(implementer, {}).get(part):
        return Core(known, known=True)
    return Core(f"{_MAKERS.get(implementer, implementer)} part {part}", known=False)
