"""How busy are the NVIDIA cards now? NVML is asked in a child, and only where there is a card."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from edgetender.probes.nvidia_sources import CHILD, library_at
from edgetender.probes.programs import Answer, Programs
from edgetender.probes.tree import Tree


class GpuFigures:
    """Call it for one sample; never raises. A driver that hangs costs one deadline, and then nothing. One thread."""

    def __init__(self, tree: Tree, programs: Programs, is_here: Callable[[], bool]) -> None:
        self._tree, self._programs, self._is_here = tree, programs, is_here

    def __call__(self) -> dict[str, Any]:
        library = library_at(self._tree, "nvml") if self._is_here() else None
        if library is None:
            return {}
        argv = (sys.executable, "-I", "-S", "-B", str(CHILD), "nvml", library)
        found = dict(figures(self._programs("nvml-figures", argv)))
        return {"gpus": found} if found else {}


def figures(answer: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    """By UUID, what each card said of itself; cards that say nothing, and answers that are none, are left out. Pure."""
    try:
        devices = json.loads(answer.output).get("devices", []) if answer.good else []
        for one in devices:
            said: dict[str, Any] = {}
            if "busy" in one:
                said["utilizationRatio"] = one["busy"] / 100
            if "memory" in one and "free" in one:
                said |= {"memoryTotalBytes": one["memory"], "memoryUsedBytes": one["memory"] - one["free"]}
            if "celsius" in one:
                said["temperatureCelsius"] = one["celsius"]
            if said and one.get("uuid"):
                yield str(one["uuid"]), said
    except (ValueError, TypeError, AttributeError):
        return
