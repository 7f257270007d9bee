"""Remembers how modules and the device fared over the last day, for the page; forgotten when the agent ends."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edgetender.clock import Clock
from edgetender.decide.buckets import BUCKET_S, begin
from edgetender.decide.device_trends import DeviceDay, device_document, with_device
from edgetender.decide.drifting import Drifts, drift_document, with_drift
from edgetender.decide.trends import Day, modules_document, with_sample, with_states
from edgetender.model.drift import drift_in


class Trends:
    """Implements `ports.Sink`. Threads: each may call any of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._day: Day = {}
        self._device: DeviceDay = {}
        self._drifts: Drifts = {}

    def take(self, stream: str, sample: dict[str, Any], now: datetime) -> None:
        with self._lock:
            if stream == "modules":
                self._day = with_sample(self._day, sample["modules"], now)
            elif stream == "device":
                self._device = with_device(self._device, sample, now)

    def states(self, states: Mapping[str, str], now: datetime) -> None:
        """What state each module is in."""
        with self._lock:
            self._day = with_states(self._day, states, now)

    def heard(self, module: str, messages: Sequence[bytes]) -> None:
        """What *module* sent; of it only what it says of drift is remembered."""
        for said in filter(None, map(drift_in, messages)):
            with self._lock:
                self._drifts = with_drift(self._drifts, module, said, self._clock.now())

    def document(self) -> dict[str, Any]:
        """What `GET /v1/trends` answers."""
        with self._lock:
            day, device, drifts = self._day, self._device, self._drifts
        now = self._clock.now()
        return {
            "apiVersion": "edgetender/v1",
            "kind": "Trends",
            "from": begin(now),
            "bucketSeconds": BUCKET_S,
            "modules": modules_document(day, now),
            **device_document(device, now),
            "drift": drift_document(drifts, now),
        }
