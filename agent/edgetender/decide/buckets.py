"""Which five minutes of the last day is it? Pure; a day is by the bucket's number since 1970, then by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from edgetender.clock import rfc3339

BUCKET_S = 300
BUCKETS = 288  # a day

Kept = TypeVar("Kept")
DayOf = Mapping[int, Mapping[str, Kept]]


def number(at: datetime) -> int:
    return int(at.timestamp()) // BUCKET_S


def begin(now: datetime) -> str:
    """When the day that ends *now* began."""
    return rfc3339(datetime.fromtimestamp((number(now) - BUCKETS + 1) * BUCKET_S, UTC))


def changed(day: DayOf[Kept], at: datetime, buckets: Mapping[str, Kept]) -> DayOf[Kept]:
    """*day* with *buckets* at *at*, and without what is older than a day or, by a clock that was set, to come."""
    now = number(at)
    kept = {place: named for place, named in day.items() if now - BUCKETS < place <= now}
    return kept | {now: {**kept.get(now, {}), **buckets}}


def by_name(day: DayOf[Kept], now: datetime) -> dict[str, list[Kept | None]]:
    """The day's buckets of each name, oldest first; None where nothing is known."""
    last = number(now)
    numbers = range(last - BUCKETS + 1, last + 1)
    names = sorted({name for place in numbers for name in day.get(place, {})})
    return {name: [day.get(place, {}).get(name) for place in numbers] for name in names}
