"""How did the device itself and its GPUs fare over the last day? Pure: samples become buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgetender.decide.buckets import DayOf, by_name, changed, number

_DEVICE = ""  # its name among the GPUs, which have UUIDs


@dataclass(frozen=True, slots=True)
class Gauges:
    """The device or one GPU in five minutes: the mean of the work, the peaks of memory and temperature."""

    samples: int = 0
    busy: float | None = None
    memory_bytes: int | None = None
    celsius: float | None = None


DeviceDay = DayOf[Gauges]  # by UUID, the device itself without one


def with_device(day: DeviceDay, sample: Mapping[str, Any], at: datetime) -> DeviceDay:
    """*day* with a sample of the `device` stream."""
    before = day.get(number(at), {})
    return changed(day, at, {name: _joined(before.get(name, Gauges()), now) for name, now in _gauges(sample)})


def device_document(day: DeviceDay, now: datetime) -> dict[str, Any]:
    """The last day of the `device` and of its `gpus` by UUID, oldest first, null where nothing is known."""
    series = {name: _series(buckets) for name, buckets in by_name(day, now).items()}
    return {"device": series.pop(_DEVICE, None), "gpus": series}


def _gauges(sample: Mapping[str, Any]) -> Iterator[tuple[str, Gauges]]:
    total, free = sample.get("memoryTotalBytes"), sample.get("memoryAvailableBytes")
    used = None if total is None or free is None else total - free
    hottest = max(sample.get("temperatureCelsius", {}).values(), default=None)
    yield _DEVICE, Gauges(1, sample.get("cpuRatio"), used, hottest)
    for card, said in sample.get("gpus", {}).items():
        yield (
            card,
            Gauges(
                1, said.get("utilizationRatio"), said.get("memoryUsedBytes"), said.get("temperatureCelsius")
            ),
        )


def _joined(before: Gauges, now: Gauges) -> Gauges:
    busy = now.busy if before.busy is None else before.busy
    if before.busy is not None and now.busy is not None:
        busy = (before.busy * before.samples + now.busy) / (before.samples + 1)
    return Gauges(
        before.samples + 1,
        busy,
        max((one for one in (before.memory_bytes, now.memory_bytes) if one is not None), default=None),
        max((one for one in (before.celsius, now.celsius) if one is not None), default=None),
    )


def _series(buckets: Sequence[Gauges | None]) -> dict[str, list[Any]]:
    known = [one or Gauges() for one in buckets]
    return {
        "busy": [None if one.busy is None else round(one.busy, 4) for one in known],
        "memoryBytes": [one.memory_bytes for one in known],
        "celsius": [one.celsius for one in known],
    }
