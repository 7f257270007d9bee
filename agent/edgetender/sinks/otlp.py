"""The catalogue's metrics to an OpenTelemetry collector: OTLP over HTTP, whole at each interval; an extra."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from edgetender import __version__
from edgetender.metrics import Metrics
from edgetender.model.image import Credential

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "celsius": "Cel"}


class OtlpExporter:
    """`work` is the body of its thread. A collector that is away costs the figures of that time, nothing else.

    *endpoint* is the collector, `https://collector.example:4318`; it is told *credential* where there is one.
    Everything else is as OpenTelemetry's own environment variables say (OTEL_EXPORTER_OTLP_…).
    """

    def __init__(
        self,
        endpoint: str,
        metrics: Metrics,
        device: str,
        interval_s: float,
        stopping: threading.Event,
        *,
        ca: Path | None = None,
        credential: Credential | None = None,
    ) -> None:
        self._endpoint, self._metrics = endpoint, metrics
        self._interval_s, self._stopping = interval_s, stopping
        self._started_ns = time.time_ns()
        told = {"service.name": "edgetender", "service.version": __version__}
        self._resource = Resource.create(told | {"service.instance.id": device, "host.name": device})
        self._exporter = OTLPMetricExporter(
            f"{endpoint.rstrip('/')}/v1/metrics",
            certificate_file=str(ca) if ca else None,
            headers={"authorization": credential.basic().reveal()} if credential else None,
            timeout=_TIMEOUT_S,
        )
        self._said = _LastWords()
        its = logging.getLogger(
            "opentelemetry"
        )  # complains at each attempt; we do so once, and once it is well again
        its.addHandler(self._said)
        its.propagate = False

    def work(self) -> None:
        well = True
        while not self._stopping.wait(self._interval_s):
            now = self._exporter.export(self._all()) is MetricExportResult.SUCCESS
            if now and not well:
                log.warning("metrics are exported again", extra={"fields": {"to": self._endpoint}})
            elif well and not now:
                fields = {"to": self._endpoint, "why": self._said.text}
                log.warning("cannot export metrics; goes on trying", extra={"fields": fields})
            well = now

    def close(self) -> None:
        """Make an export under way give up. From any thread."""
        self._exporter.shutdown()

    def _all(self) -> MetricsData:
        scope = InstrumentationScope("edgetender", __version__)
        metrics = list(_metrics(self._metrics.collect(), self._started_ns, time.time_ns()))
        return MetricsData([ResourceMetrics(self._resource, [ScopeMetrics(scope, metrics, "")], "")])


class _LastWords(logging.Handler):
    """What the library complained of last."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()[:300]


def _metrics(families: Iterable[Any], started_ns: int, now_ns: int) -> Iterator[Metric]:
    """Prometheus's families in OpenTelemetry's words; a family without a sample is not there."""
    for family in families:
        points = [
            NumberDataPoint(dict(sample.labels), started_ns, now_ns, float(sample.value))
            for sample in family.samples
        ]
        if points:
            counts = family.type == "counter"
            data = (
                Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True) if counts else Gauge(points)
            )
            yield Metric(
                family.name, family.documentation, _UNITS.get(family.name.rpartition("_")[2], ""), data
            )
