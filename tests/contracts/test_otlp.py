"""What does a collector get? By a real HTTP server that reads OTLP as OpenTelemetry wrote it down."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from demo.parts.waiting import until
from edgetender.metrics import Metrics
from edgetender.model.image import Credential
from edgetender.secret import Secret
from edgetender.sinks.otlp import OtlpExporter
from tests.unit.test_metrics import DEVICE, FULL, MODULES


class Collector(ThreadingHTTPServer):
    """Keeps what it was sent, with the header that says by whom; answers *status*."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str | None, ExportMetricsServiceRequest]] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/metrics"
        request = ExportMetricsServiceRequest.FromString(body)
        self.server.received.append((self.headers.get("Authorization"), request))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics("0.1.0")
    made.cycle(FULL)
    made.sample("device", DEVICE)
    made.sample("modules", MODULES)
    return made


@pytest.fixture
def exporting(collector: Collector, metrics: Metrics) -> Iterator[OtlpExporter]:
    stopping = threading.Event()
    who = Credential("line3", Secret("hunter2"))
    address = f"http://127.0.0.1:{collector.server_port}/"
    exporter = OtlpExporter(address, metrics, "line3-cam7", 0.05, stopping, credential=who)
    thread = threading.Thread(target=exporter.work)
    thread.start()
    yield exporter
    stopping.set()
    exporter.close()
    thread.join(60)
    assert not thread.is_alive()


def test_every_metric_arrives_with_its_kind_its_labels_and_whose_it_is(
    collector: Collector, metrics: Metrics, exporting: OtlpExporter
) -> None:
    until(lambda: bool(collector.received), "an export")
    sender, request = collector.received[0]
    assert sender == "Basic bGluZTM6aHVudGVyMg=="
    (resource,) = request.resource_metrics
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (about["service.name"], about["service.instance.id"]) == ("edgetender", "line3-cam7")
    sent = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert sent.keys() == {family.name for family in metrics.collect() if family.samples}
    restarts = sent["edgetender_module_restarts"]
    assert restarts.sum.is_monotonic
    (point,) = [p for p in restarts.sum.data_points if p.attributes[0].value.string_value == "scorer"]
    assert point.as_double == next(
        sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "edgetender_module_restarts_total" and sample.labels["module"] == "scorer"
    )
    assert (sent["edgetender_device_memory_total_bytes"].unit, restarts.unit) == ("By", "")
    assert sent["edgetender_module_state"].WhichOneof("data") == "gauge"


def test_a_collector_that_refuses_is_said_once_and_so_is_its_return(
    collector: Collector, exporting: OtlpExporter, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400  # not tried again within the interval
    with caplog.at_level(logging.WARNING, "edgetender"):
        until(lambda: len(collector.received) > 3, "some exports")
        collector.status = 200
        until(lambda: "metrics are exported again" in caplog.messages, "the return")
    ours = [record for record in caplog.records if record.name.startswith("edgetender")]
    assert [one.message for one in ours] == [
        "cannot export metrics; goes on trying",
        "metrics are exported again",
    ]
    assert "400" in ours[0].fields["why"]  # type: ignore[attr-defined]
    assert "hunter2" not in caplog.text
