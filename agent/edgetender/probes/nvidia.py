"""Is there an NVIDIA accelerator that its driver has taken? Asks the kernel's files only; runs nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import Fact

_VENDOR = "0x10de"
_TEGRA_NODES = ("dev/nvhost-ctrl-gpu", "dev/nvgpu/igpu0/ctrl")  # up to JetPack 5, from JetPack 6 on
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # PCI class codes: display controllers, processing accelerators


def probe(root: Path) -> Iterator[Fact]:
    """`accelerator` is nvidia only where a driver runs *and* its device node is there for containers."""
    version, how = _driver(root)
    devices = _pci_devices(root)
    driver = root / "proc/driver/nvidia/version"
    yield Fact("nvidia_driver", version, str(driver), how)
    yield Fact(
        "nvidia_devices", devices, str(root / "sys/bus/pci/devices"), "" if devices is not None else "no PCI"
    )
    yield _accelerator(root, version, devices)


def _accelerator(root: Path, version: str | None, devices: int | None) -> Fact:
    tegra, place = _tegra(root)
    if tegra and (node := next((one for one in _TEGRA_NODES if (root / one).exists()), None)):
        return Fact("accelerator", "nvidia", str(root / node), f"{tegra}, integrated")
    if version is not None:
        return _driven(root, version)
    if tegra:
        detail = f"{tegra}, but its GPU's device node is missing: containers would see no device"
        return Fact("accelerator", "none", str(place), detail)
    if devices:
        detail = "an NVIDIA device is there, but no driver has taken it: install the NVIDIA driver"
        return Fact("accelerator", "none", str(root / "sys/bus/pci/devices"), detail)
    return Fact("accelerator", "none", str(root / "proc/driver/nvidia"), "no NVIDIA driver, no NVIDIA device")


def _driven(root: Path, version: str) -> Fact:
    gpus = root / "proc/driver/nvidia/gpus"
    if gpus.is_dir() and not _names(gpus):
        detail = f"driver {version} is loaded, but it drives no device; does `dmesg` say that one was lost?"
        return Fact("accelerator", "none", str(gpus), detail)
    if not (root / "dev/nvidiactl").exists():
        detail = "an NVIDIA driver is loaded, but /dev/nvidiactl is missing: containers would see no device"
        return Fact("accelerator", "none", str(root / "dev"), detail)
    return Fact("accelerator", "nvidia", str(root / "proc/driver/nvidia/version"), f"driver {version}")


def _tegra(root: Path) -> tuple[str, Path]:
    """The SoC, or Jetson where only its release file says so; empty on other machines. And who says so."""
    tree = root / "proc/device-tree/compatible"
    match = re.search(r"nvidia,(tegra\d+)\b", _read(tree))
    if match:
        return match[1], tree
    release = root / "etc/nv_tegra_release"
    return ("Jetson" if release.exists() else ""), release


def _driver(root: Path) -> tuple[str | None, str]:
    """Its version and its kind, or why there is none."""
    text = _read(root / "proc/driver/nvidia/version")
    # `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct …`, the open module says more before it
    match = re.search(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)(?:\s|$)", text, re.MULTILINE)
    if match:
        return match[1], "open kernel module" if "Open Kernel Module" in text else ""
    loaded = _read(root / "sys/module/nvidia/version").strip()
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", loaded):
        return loaded, f"from {root / 'sys/module/nvidia/version'}"
    return None, "the driver says no version" if text else "no NVIDIA driver is loaded"


def _pci_devices(root: Path) -> int | None:
    folder = root / "sys/bus/pci/devices"
    if not folder.is_dir():
        return None
    return sum(_is_ours(folder / device) for device in _names(folder))


def _is_ours(device: Path) -> bool:
    kind = _read(device / "class").strip()
    return _read(device / "vendor").strip() == _VENDOR and kind.startswith((_DISPLAY, _ACCELERATOR))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # names will do
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
