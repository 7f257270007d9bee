"""How did each module fare over the last day? Pure: looks become buckets, buckets become what a page draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edgetender.decide.buckets import DayOf, by_name, changed, number

_WORST_FIRST = ("blocked", "unhealthy", "backoff", "stopped", "waiting", "starting", "pulling", "running")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One module in five minutes: the worst state it was in, its means, and of memory and answers' times the peak."""

    state: str = ""
    samples: int = 0
    cpu: float = 0.0
    memory_bytes: int = 0
    timed: int = 0  # samples that knew of requests
    requests_per_s: float = 0.0
    errors_per_s: float = 0.0
    mean_ms: float = 0.0
    p95_ms: float | None = None


Day = DayOf[Bucket]  # by module


def with_states(day: Day, states: Mapping[str, str], at: datetime) -> Day:
    """*day* with the states that modules are in at *at*."""
    buckets = {name: _of(day, at, name) for name in states}
    return changed(
        day, at, {name: replace(one, state=_worse(one.state, states[name])) for name, one in buckets.items()}
    )


def with_sample(day: Day, modules: Mapping[str, Mapping[str, Any]], at: datetime) -> Day:
    """*day* with a sample of the `modules` stream (`decide.documents.module_sample`)."""
    return changed(day, at, {name: _sampled(_of(day, at, name), said) for name, said in modules.items()})


def modules_document(day: Day, now: datetime) -> dict[str, dict[str, list[Any]]]:
    """The last day by module, oldest first, null where nothing is known."""
    return {name: _series(buckets) for name, buckets in by_name(day, now).items()}


def _series(buckets: Iterable[Bucket | None]) -> dict[str, list[Any]]:
    known = [one or Bucket() for one in buckets]
    return {
        "state": [one.state or None for one in known],
        "cpu": [round(one.cpu, 4) if one.samples else None for one in known],
        "memoryBytes": [one.memory_bytes if one.samples else None for one in known],
        "requestsPerSecond": [round(one.requests_per_s, 3) if one.timed else None for one in known],
        "errorsPerSecond": [round(one.errors_per_s, 3) if one.timed else None for one in known],
        "meanMilliseconds": [one.mean_ms or None for one in known],
        "p95Milliseconds": [one.p95_ms for one in known],
    }


def _sampled(bucket: Bucket, said: Mapping[str, Any]) -> Bucket:
    used = replace(
        bucket,
        samples=bucket.samples + 1,
        cpu=_mean(bucket.cpu, bucket.samples, said["cpuRatio"]),
        memory_bytes=max(bucket.memory_bytes, said["memoryBytes"]),
    )
    if "requestsPerSecond" not in said:
        return used
    return replace(
        used,
        timed=bucket.timed + 1,
        requests_per_s=_mean(bucket.requests_per_s, bucket.timed, said["requestsPerSecond"]),
        errors_per_s=_mean(bucket.errors_per_s, bucket.timed, said["errorsPerSecond"]),
        mean_ms=max(bucket.mean_ms, said.get("meanMilliseconds", 0.0)),
        p95_ms=max(
            (ms for ms in (bucket.p95_ms, said.get("p95Milliseconds")) if ms is not None), default=None
        ),
    )


def _mean(before: float, count: int, value: float) -> float:
    return (before * count + value) / (count + 1)


def _worse(one: str, other: str) -> str:
    known = [state for state in _WORST_FIRST if state in (one, other)]
    return known[0] if known else other


def _of(day: Day, at: datetime, name: str) -> Bucket:
    return day.get(number(at), {}).get(name, Bucket())
