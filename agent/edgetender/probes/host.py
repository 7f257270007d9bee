"""How busy is the device now? CPU, memory, disk, temperature and the agent's own use, by psutil."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil


class HostFigures:
    """Call it for one sample; CPU is the mean since the call before. From one thread."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._agent = psutil.Process()
        psutil.cpu_percent()  # the first answer is 0.0 by definition

    def __call__(self) -> dict[str, Any]:
        memory = psutil.virtual_memory()
        sample: dict[str, Any] = {
            "cpuRatio": round(psutil.cpu_percent() / 100, 4),
            "cpuCount": psutil.cpu_count(),
            "load1": round(os.getloadavg()[0], 2),
            "memoryTotalBytes": memory.total,
            "memoryAvailableBytes": memory.available,
            "bootedAt": int(psutil.boot_time()),
            "agent": {
                "memoryBytes": self._agent.memory_info().rss,
                "cpuSeconds": round(sum(self._agent.cpu_times()[:2]), 2),
            },
        }
        try:
            disk = psutil.disk_usage(str(self._disk))
        except OSError:  # an unmounted disk is news, not a reason to send nothing
            sample |= {"diskTotalBytes": None, "diskFreeBytes": None}
        else:
            sample |= {"diskTotalBytes": disk.total, "diskFreeBytes": disk.free}
        if temperatures := _temperatures():
            sample["temperatureCelsius"] = temperatures
        return sample


def _temperatures() -> dict[str, float]:
    """By sensor; empty where the kernel has none (virtual machines)."""
    found: dict[str, float] = {}
    for chip, readings in psutil.sensors_temperatures().items():
        for number, reading in enumerate(readings):
            name = f"{chip}/{reading.label or number}"
            if reading.current is not None:
                found[name] = round(float(reading.current), 1)
    return found
