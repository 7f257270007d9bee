"""Which accelerators are on the PCI bus, and has a driver taken them? Reads sysfs only; one place for all vendors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgetender.model.hardware import Fact, Layer
from edgetender.probes.tree import Tree

FOLDER = "sys/bus/pci/devices"
NVIDIA, AMD, INTEL = "0x10de", "0x1002", "0x8086"
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # class codes: display controllers, processing accelerators


@dataclass(frozen=True, slots=True)
class Slot:
    """One PCI device, as sysfs shows it. *driver* is empty while none has taken it."""

    address: str
    vendor: str
    device: str
    kind: str
    driver: str
    gone: bool  # its configuration reads all ones: it has fallen off the bus

    @property
    def accelerates(self) -> bool:
        return self.kind.startswith((_DISPLAY, _ACCELERATOR))

    @property
    def name(self) -> str:
        return f"{self.vendor.removeprefix('0x')}:{self.device.removeprefix('0x')}"


def slots(tree: Tree) -> tuple[Slot, ...] | None:
    """Every device of the bus, None where the machine has none."""
    if not tree.names(FOLDER):
        return None
    return tuple(slot for address in tree.names(FOLDER) if (slot := _slot(tree, address)) is not None)


def of(tree: Tree, vendor: str) -> tuple[Slot, ...]:
    """The accelerators of *vendor*."""
    return tuple(slot for slot in slots(tree) or () if slot.vendor == vendor and slot.accelerates)


def facts(tree: Tree, slot: Slot, vendor: str, kind: str, key: str) -> Iterator[Fact]:
    """What the bus says of an accelerator."""
    source = tree.shown(f"{FOLDER}/{slot.address}")
    yield Fact("vendor", vendor, source, device=key, layer=Layer.PRESENT)
    yield Fact("kind", kind, source, device=key, layer=Layer.PRESENT)
    yield Fact("pci", slot.address, source, device=key, layer=Layer.PRESENT)
    yield Fact("pci_id", slot.name, source, device=key, layer=Layer.PRESENT)
    yield Fact("present", value=True, source=source, device=key, layer=Layer.PRESENT)
    taken = f"driver {slot.driver}" if slot.driver else "no kernel driver has taken it"
    yield Fact(
        "driven", bool(slot.driver), source, taken, key, Layer.DRIVEN, "" if slot.driver else "driver_missing"
    )
    if slot.gone:
        lost = "it has fallen off the bus; the machine must be started anew"
        yield Fact("healthy", False, source, lost, key, Layer.HEALTHY, "gpu_lost")


def _slot(tree: Tree, address: str) -> Slot | None:
    at = f"{FOLDER}/{address}"
    vendor, kind = tree.line(f"{at}/vendor"), tree.line(f"{at}/class")
    if not vendor.startswith("0x") or not kind.startswith("0x"):
        return None
    head = tree.bytes(f"{at}/config", 4) if kind.startswith((_DISPLAY, _ACCELERATOR)) else None
    return Slot(
        address,
        vendor,
        tree.line(f"{at}/device"),
        kind,
        tree.link(f"{at}/driver"),
        head == b"\xff\xff\xff\xff",
    )
