"""Is there an NVIDIA accelerator that its driver has taken? Asks the kernel's files only; runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import Fact

_VENDOR = "0x10de"
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # PCI class codes: display controllers, processing accelerators


def probe(root: Path) -> Iterator[Fact]:
    """`accelerator` is nvidia only where a driver runs *and* its device node is there for containers."""
    version = _driver(root)
    devices = _pci_devices(root)
    driver = root / "proc/driver/nvidia/version"
    yield Fact("nvidia_driver", version, str(driver), "" if version else "no NVIDIA driver is loaded")
    yield Fact(
        "nvidia_devices", devices, str(root / "sys/bus/pci/devices"), "" if devices is not None else "no PCI"
    )
    yield _accelerator(root, version, devices)


def _accelerator(root: Path, version: str | None, devices: int | None) -> Fact:
    if (root / "etc/nv_tegra_release").exists() and (root / "dev/nvhost-ctrl-gpu").exists():
        return Fact("accelerator", "nvidia", str(root / "etc/nv_tegra_release"), "Jetson, integrated")
    if version is not None and (root / "dev/nvidiactl").exists():
        return Fact("accelerator", "nvidia", str(root / "proc/driver/nvidia/version"), f"driver {version}")
    if version is not None:
        detail = "an NVIDIA driver is loaded, but /dev/nvidiactl is missing: containers would see no device"
        return Fact("accelerator", "none", str(root / "dev"), detail)
    if devices:
        detail = "an NVIDIA device is there, but no driver has taken it: install the NVIDIA driver"
        return Fact("accelerator", "none", str(root / "sys/bus/pci/devices"), detail)
    return Fact("accelerator", "none", str(root / "proc/driver/nvidia"), "no NVIDIA driver, no NVIDIA device")


def _driver(root: Path) -> str | None:
    try:
        text = (root / "proc/driver/nvidia/version").read_text(errors="replace")
    except OSError:
        return None
    # `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct …`, the open module says more before it
    match = re.search(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", text, re.MULTILINE)
    return match[1] if match else None


def _pci_devices(root: Path) -> int | None:
    folder = root / "sys/bus/pci/devices"
    if not folder.is_dir():
        return None
    return sum(_is_ours(device) for device in folder.iterdir())


def _is_ours(device: Path) -> bool:
    try:
        vendor = (device / "vendor").read_text().strip()
        kind = (device / "class").read_text().strip()
    except OSError:
        return False
    return vendor == _VENDOR and kind.startswith((_DISPLAY, _ACCELERATOR))
