"""A sink that keeps what it takes."""

from __future__ import annotations

from datetime import datetime


class FakeSink:
    """Keeps the Sink port; `taken` holds (stream, sample, moment), oldest first."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, object], datetime]] = []

    def take(self, stream: str, sample: dict[str, object], now: datetime) -> None:
        self.taken.append((stream, sample, now))
