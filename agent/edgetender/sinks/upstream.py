"""Samples for the cloud: into the outbox, which bounds them and sends them when it can."""

from __future__ import annotations

from datetime import datetime

from edgetender.clock import rfc3339
from edgetender.codec import canonical
from edgetender.ports import Outbox


class UpstreamSink:
    """Implements `ports.Sink`: `telemetry/<stream>`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def take(self, stream: str, sample: dict[str, object], now: datetime) -> None:
        body = canonical({"at": rfc3339(now), **sample})
        self._outbox.append(f"telemetry/{stream}", body, now)
