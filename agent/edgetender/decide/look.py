"""What a decision reads of the hardware: each fact by its name, each accelerator once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgetender.model.compat import Tables, in_force
from edgetender.model.hardware import Device, Fact, Hardware, Value

NOWHERE = Fact("", None, "nowhere", "no probe of this agent looks for it", code="not_probed")


@dataclass(frozen=True, slots=True)
class Look:
    """The hardware, made quick to ask, with the tables it is judged by."""

    machine: Mapping[str, Fact]
    devices: tuple[Device, ...]
    tables: Tables = field(default_factory=in_force)
    preferred: frozenset[str] = frozenset()  # devices that a module has already, by key

    def fact(self, name: str) -> Fact:
        return self.machine.get(name, NOWHERE)

    def value(self, name: str) -> Value:
        return self.fact(name).value


def look_at(hardware: Hardware, tables: Tables | None = None) -> Look:
    machine: dict[str, Fact] = {}
    for fact in hardware.facts:
        if not fact.device:
            machine.setdefault(fact.name, fact)
    devices = hardware.devices
    if not any(device.value("vendor") == "nvidia" for device in devices):
        devices = (*devices, *_legacy(machine))
    return Look(machine, devices, tables or in_force())


def _legacy(machine: Mapping[str, Fact]) -> tuple[Device, ...]:
    """A driver that runs, and no word of its card: it is one all the same, of which nothing more is known."""
    fact = machine.get("accelerator")
    if fact is None or fact.value != "nvidia":
        return ()
    said = {"vendor": Fact("vendor", "nvidia", fact.source, fact.detail, "nvidia0")}
    return (Device("nvidia0", said),)
