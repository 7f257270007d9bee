"""Does a trace go on in here, and does a collector get its spans? By a real HTTP server that reads OTLP."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ASKED = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "shop=7"}
SCRIPT = """
def init(): ...

def run(data, request_headers):
    if data == "fail":
        raise ValueError
    return request_headers.get("Traceparent")
"""


class Collector(ThreadingHTTPServer):
    """Keeps what it was sent; answers *status*."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received, self.status = [], 200

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self):
        return [
            span
            for _, _, said in self.received
            for span in said["resourceSpans"][0]["scopeSpans"][0]["spans"]
        ]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_): ...


@pytest.fixture
def collector():
    with Collector() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def ended(server):
    server.terminate()
    assert server.process.wait(60) == 0
    return server.log.read_text()


def attributes(span):
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_a_request_s_span_is_its_caller_s_child_and_what_the_script_asks_for_is_its_own(serving, collector):
    with serving(
        SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address, OTEL_EXPORTER_OTLP_HEADERS="x-site=7"
    ) as server:
        handed = server.score(b"x", x_request_id="mine", **ASKED).json
        server.score(b"fail", **ASKED)
        server.ask("GET", "/")
        server.ask("GET", "/v2/health/ready")
        log = ended(server)
    first, failed = collector.spans
    path, headers, said = collector.received[0]
    assert (path, headers["x-site"]) == ("/v1/traces", "7")
    assert said["resourceSpans"][0]["resource"]["attributes"] == [
        {"key": "service.name", "value": {"stringValue": "edgetender-scoring"}}
    ]
    assert (first["traceId"], first["parentSpanId"], first["traceState"]) == (TRACE, CALLER, "shop=7")
    assert handed == f"00-{TRACE}-{first['spanId']}-01"
    assert attributes(first) == {
        "http.request.method": "POST",
        "url.path": "/score",
        "http.response.status_code": "200",
        "http.request.header.x-request-id": "mine",
    }
    assert 0 < int(first["endTimeUnixNano"]) - int(first["startTimeUnixNano"]) < 10e9
    assert (first["status"], failed["status"]) == ({}, {"code": 2})
    assert f"trace={TRACE}" in log


def test_what_is_sent_is_what_opentelemetry_wrote_down(serving, collector):
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    from google.protobuf import json_format

    with serving(SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address) as server:
        server.score(b"x", **ASKED)
        ended(server)
    ((_, _, said),) = collector.received
    for span in said["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in ("traceId", "spanId", "parentSpanId"):  # hex in OTLP, base64 where protobuf reads JSON
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    request = json_format.ParseDict(said, service.ExportTraceServiceRequest())
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert (span.trace_id.hex(), span.kind, span.name) == (TRACE, span.SPAN_KIND_SERVER, "POST /score")


def test_without_a_caller_s_trace_one_begins_here_and_the_log_says_which(serving, collector):
    with serving(SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address, OTEL_SERVICE_NAME="eye") as server:
        handed = {server.score(b"x").json for _ in range(3)}
        log = ended(server)
    assert {f"00-{one['traceId']}-{one['spanId']}-01" for one in collector.spans} == handed
    assert len({one["traceId"] for one in collector.spans}) == 3
    assert all(f"trace={one['traceId']}" in log and "parentSpanId" not in one for one in collector.spans)


def test_a_caller_that_does_not_record_is_not_recorded_and_its_trace_is_handed_on(serving, collector):
    unrecorded = f"00-{TRACE}-{CALLER}-00"
    with serving(SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address) as server:
        assert server.score(b"x", traceparent=unrecorded).json == unrecorded
        ended(server)
    assert collector.spans == []


@pytest.mark.parametrize(
    ("sampler", "spans"), [("always_off", 0), ("parentbased_always_off", 1), ("always_on", 2)]
)
def test_which_requests_are_recorded_is_to_be_said(serving, collector, sampler, spans):
    names = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_TRACES_SAMPLER": sampler}
    with serving(SCRIPT, **names) as server:
        server.score(b"x")
        server.score(b"x", **ASKED)
        ended(server)
    assert len(collector.spans) == spans


def test_a_collector_that_refuses_is_said_once_and_costs_its_spans_alone(serving, collector):
    collector.status = 503
    with serving(SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address) as server:
        assert server.score(b"x").status == 200
        deadline = time.monotonic() + 60
        while b"spans_dropped_total 1\n" not in server.ask("GET", "/metrics").body:
            assert time.monotonic() < deadline
        collector.status = 200
        server.score(b"x")
        log = ended(server)
    assert log.count("cannot export spans: 503 Service Unavailable; goes on trying") == 1
    assert log.count("spans are exported again") == 1


def test_a_model_s_span_names_the_model(running, collector, tmp_path):
    onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")
    (tmp_path / "net" / "3").mkdir(parents=True)
    onnx_models.mlp(tmp_path / "net" / "3" / "net.onnx")
    with running(
        tmp_path, "--model_dir", str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=collector.address
    ) as server:
        server.score(b'{"data": [[1,2,3,4,5,6,7,8,9,10]]}')
        ended(server)
    (span,) = collector.spans
    assert (attributes(span)["model.name"], attributes(span)["model.version"]) == ("net", "3")
