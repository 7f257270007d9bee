"""Is a maintenance window open, and when does the next one open? Pure: the time and its zone are passed in.

Openings go by the wall clock of the window's zone. One that falls into the hour that a change to summer time skips
opens as long after the change as it was meant to after that hour's begin; one in an hour that comes twice opens the
first time. How long it is open is real time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from edgetender.model.window import Window

_HORIZON = 8 * 366 + 2  # days: 29 February comes within eight years


def shuts_at(windows: Iterable[Window], now: datetime) -> datetime | None:
    """Until when one of *windows* is open; None while all are shut."""
    ends = (
        start + window.length
        for window in windows
        for start in _starts(window, now - window.length, now)
        if start <= now < start + window.length
    )
    return max(ends, default=None)


def opens_at(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When the next of *windows* opens, after *now*; None: never."""
    firsts = (next(_starts(window, now, None), None) for window in windows)
    return min((first for first in firsts if first is not None), default=None)


def _starts(window: Window, after: datetime, until: datetime | None) -> Iterator[datetime]:
    """Openings later than *after*, in order; none later than *until*."""
    day = _day(after, window) - timedelta(days=1)
    last = _day(until, window) + timedelta(days=1) if until else day + timedelta(days=_HORIZON)
    while day <= last:
        if window.cron.on(day):
            yield from (start for start in _on(day, window) if start > after)
        day += timedelta(days=1)


def _on(day: date, window: Window) -> list[datetime]:
    cron = window.cron
    local = (
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=window.zone)
        for hour in cron.hours
        for minute in cron.minutes
    )
    return sorted({moment.astimezone(UTC) for moment in local})


def _day(moment: datetime, window: Window) -> date:
    return moment.astimezone(window.zone).date()
