"""What the device has, as facts: each with its value, its source, or the reason why it is unknown."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# What the kernel calls an architecture, in the words of images (GOARCH).
ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv8l": "arm", "armv7l": "arm", "armv6l": "arm",
    "i386": "386", "i486": "386", "i586": "386", "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x",
    "riscv64": "riscv64", "loongarch64": "loong64", "mips64": "mips64le", "mips": "mipsle",
}  # fmt: skip

Value = str | int | float | bool | tuple[str, ...] | None


class Layer(StrEnum):
    """How much a fact proves of a device: each layer stands on the one before it."""

    PRESENT = "present"  # it is on the bus
    DRIVEN = "driven"  # a kernel driver has taken it
    CONSISTENT = "consistent"  # the user-space library fits the kernel's module
    HEALTHY = "healthy"  # it answers now
    INJECTABLE = "injectable"  # the engine can hand it to a container


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of the hardware. *value* None means unknown; *detail* then says why, *code* in one word.

    *device* is the key of the accelerator it speaks of, empty for the machine. *low* marks what was concluded
    from a table or a name instead of read from the thing itself.
    """

    name: str
    value: Value
    source: str
    detail: str = ""
    device: str = ""
    layer: Layer | None = None
    code: str = ""
    low: bool = False
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """The facts of one accelerator, by name."""

    key: str
    facts: Mapping[str, Fact]

    def fact(self, name: str) -> Fact | None:
        return self.facts.get(name)

    def value(self, name: str) -> Value:
        fact = self.facts.get(name)
        return fact.value if fact else None


@dataclass(frozen=True, slots=True)
class Hardware:
    """All facts of one look at the device; the first fact of a name counts."""

    facts: tuple[Fact, ...] = ()

    def fact(self, name: str, device: str = "") -> Fact | None:
        return next((fact for fact in self.facts if fact.name == name and fact.device == device), None)

    def value(self, name: str, device: str = "") -> Value:
        fact = self.fact(name, device)
        return fact.value if fact else None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The accelerators, by key; the order of the facts does not matter."""
        found: dict[str, dict[str, Fact]] = {}
        for fact in self.facts:
            if fact.device:
                found.setdefault(fact.device, {}).setdefault(fact.name, fact)
        return tuple(Device(key, found[key]) for key in sorted(found))


def merged(*groups: Iterable[Fact]) -> Hardware:
    """One Hardware of several looks: of facts of the same name and device, that of the first group counts."""
    first: dict[tuple[str, str], Fact] = {}
    for group in groups:
        for fact in group:
            first.setdefault((fact.device, fact.name), fact)
    return Hardware(tuple(first.values()))


def native_architecture() -> str:
    """This machine's architecture in the words of images."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())
