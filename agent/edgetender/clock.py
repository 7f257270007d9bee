"""What time it is: wall time for stamps, monotonic time for waiting. Passed in, never reached for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The two times a daemon needs."""

    def now(self) -> datetime:
        """Wall time, aware, UTC. May jump, also backwards (a device without RTC boots in 1970)."""
        ...

    def monotonic(self) -> float:
        """Seconds since some start; never jumps. Counts time in suspend where the system can."""
        ...


class SystemClock:
    """The clock of this machine; CLOCK_BOOTTIME goes on in suspend, CLOCK_MONOTONIC does not."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def rfc3339(moment: datetime) -> str:
    """`2026-11-24T08:15:30.123Z`: what goes on the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """The inverse of `rfc3339`. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"cannot read the time {text!r}: it names no time zone")
    return moment
