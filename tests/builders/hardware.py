"""Hardware in one line each: only the fact that matters is named."""

from __future__ import annotations

from typing import Any

from edgetender.model.hardware import Fact, Hardware
from tests.builders.manifests import image


def machine(*devices: dict[str, Any], **facts: Any) -> Hardware:
    """An amd64 machine with these facts and accelerators; a device is named by its `key`, or gpu0, gpu1, ..."""
    known = {"arch": "amd64", "accelerator": "nvidia" if devices else "none"} | facts
    found = [
        Fact(name, value, "test", "" if value is not None else "said so") for name, value in known.items()
    ]
    for number, device in enumerate(devices):
        key = device.get("key", f"gpu{number}")
        found += [
            Fact(name, value, "test", "" if value is not None else "said so", key)
            for name, value in device.items()
            if name != "key"
        ]
    return Hardware(tuple(found))


def gpu(**more: Any) -> dict[str, Any]:
    """A discrete NVIDIA card that is well."""
    card = {"vendor": "nvidia", "kind": "discrete", "compute_capability": "8.6", "memory_bytes": 10 * 2**30}
    return card | {"driven": True, "healthy": True} | more


def variant(name: str, /, requires: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image(name), "requires": requires or {}} | more


def of_h100(**more: Any) -> Hardware:
    """A machine with one H100 as it was seen by a process of its own, no engine asked; *more* facts of the machine."""
    card = gpu(
        key="0000:00:06.0", name="NVIDIA H100 80GB HBM3", compute_capability="9.0", mig="Disabled",
        memory_bytes=85_017_493_504, pci="0000:00:06.0",
    )  # fmt: skip
    found = machine(
        card, x86_level="v4", cpu_model="Intel(R) Xeon(R) Processor", cpu_count=16, memory_bytes=135_184_269_312,
        kernel="6.18.44", os="Ubuntu 24.04.3 LTS", cuda="13.0", nvidia_devices=1, **more,
    )  # fmt: skip
    return Hardware(
        (
            Fact("nvidia_driver", "580.159.04", "/proc/driver/nvidia/version", "open kernel module"),
            Fact("toolkit", None, "/usr/bin/nvidia-ctk", "it is not installed", code="toolkit_missing"),
            *found.facts,
        )
    )
