"""Remembers how modules fared over the last day, for the page; forgotten when the agent ends."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edgetender.clock import Clock
from edgetender.decide.trends import Day, trends_document, with_sample, with_states


class Trends:
    """Implements `ports.Sink`. Threads: `take` from the sampler, `states` from the reconciler, `document` from any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._day: Day = {}

    def take(self, stream: str, sample: dict[str, Any], now: datetime) -> None:
        if stream == "modules":
            with self._lock:
                self._day = with_sample(self._day, sample["modules"], now)

    def states(self, states: Mapping[str, str], now: datetime) -> None:
        """What state each module is in."""
        with self._lock:
            self._day = with_states(self._day, states, now)

    def document(self) -> dict[str, Any]:
        with self._lock:
            day = self._day
        return trends_document(day, self._clock.now())
