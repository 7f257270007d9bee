"""What is told of the hardware where every byte is retained: the facts that fleets are sorted by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgetender.decide.explaining import facts_hash
from edgetender.model.hardware import Device, Hardware, Value
from edgetender.model.manifest import SCHEMA
from edgetender.model.target import Considered

# as reports name it -> the fact
_MACHINE = {
    "arch": "arch", "model": "model", "x86Level": "x86_level", "arm64Level": "arm64_level", "cores": "cores",
    "memoryBytes": "memory_bytes", "kernel": "kernel", "docker": "docker", "driver": "nvidia_driver", "cuda": "cuda",
    "l4t": "l4t", "jetpack": "jetpack",
}  # fmt: skip
_DEVICE = {
    "vendor": "vendor", "kind": "kind", "name": "name", "computeCapability": "compute_capability", "gfx": "gfx",
    "memoryBytes": "memory_bytes", "healthy": "healthy",
}  # fmt: skip
_MOST_DEVICES = 16


def compact_facts(hardware: Hardware) -> dict[str, Any]:
    """What is known, and nothing of what is not; `facts` is equal for equal hardware."""
    machine = {
        name: _plain(value)
        for name, fact in _MACHINE.items()
        if (value := hardware.value(fact)) is not None and value is not False
    }
    devices = [_device(one) for one in hardware.devices[:_MOST_DEVICES]]
    return {"facts": facts_hash(hardware), **machine, "accelerators": devices}


def birth_document(device: str, agent: str, hardware: Hardware) -> dict[str, Any]:
    """Who this is and what it can do; it changes with another agent, engine or hardware, and with nothing else."""
    return {
        "device": device,
        "agent": agent,
        "schemas": [SCHEMA],
        "front": hardware.value("front") is True,
        "hardware": compact_facts(hardware),
    }


def verdict_codes(considered: Iterable[Considered]) -> dict[str, dict[str, str]]:
    """By module: each variant's verdict in one word, in the list's order."""
    found: dict[str, dict[str, str]] = {}
    for one in considered:
        found.setdefault(one.module, {})[one.variant] = one.verdict if one.verdict == "chosen" else one.code
    return found


def labels(hardware: Hardware) -> Mapping[str, str]:
    """The same as labels of a figure, empty where it is not known."""
    vendors = sorted({str(one.value("vendor")) for one in hardware.devices if one.value("vendor")})
    level = hardware.value("x86_level") or hardware.value("arm64_level") or hardware.value("oci_variant")
    named = {
        "arch": hardware.value("arch"), "level": level, "accelerators": ",".join(vendors),
        "driver": hardware.value("nvidia_driver"), "cuda": hardware.value("cuda"),
    }  # fmt: skip
    return {name: str(value) if value is not None else "" for name, value in named.items()}


def _device(device: Device) -> dict[str, Any]:
    return {
        name: _plain(value) for name, fact in _DEVICE.items() if (value := device.value(fact)) is not None
    }


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value
