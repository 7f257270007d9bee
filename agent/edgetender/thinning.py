"""Which samples go up? Those that say something new, and one so often that shows that somebody still looks."""

from __future__ import annotations

from datetime import datetime

from edgetender.clock import Clock
from edgetender.decide.bands import Told, figures_of, is_news
from edgetender.ports import Sink


class Thinned:
    """Implements `ports.Sink` in front of *sink*, for the sampler's thread alone."""

    def __init__(self, sink: Sink, clock: Clock, heartbeat_s: float) -> None:
        self._sink, self._clock, self._heartbeat_s = sink, clock, heartbeat_s
        self._told: dict[str, Told] = {}

    def take(self, stream: str, sample: dict[str, object], now: datetime) -> None:
        figures, at = figures_of(sample), self._clock.monotonic()
        if is_news(self._told.get(stream), figures, at, self._heartbeat_s):
            self._told[stream] = Told(figures, at)
            self._sink.take(stream, sample, now)
