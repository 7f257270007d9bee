"""Samples for `/metrics`: the last one of each stream is what a scrape sees."""

from __future__ import annotations

from datetime import datetime

from edgetender.metrics import Metrics


class PrometheusSink:
    """Implements `ports.Sink`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def take(self, stream: str, sample: dict[str, object], now: datetime) -> None:  # noqa: ARG002
        self._metrics.sample(stream, sample)
