"""Does a line of the log say which trace a request is part of?"""

import pytest

from edgetender_scoring.trace import Tracing, context, tracing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-and more", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-01-and more", ""),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", ""),
        ("", ""),
        ("x\r\ny", ""),
    ],
)
def test_a_trace_is_told_from_what_is_none(given, found):
    told = context(given)
    assert (told.trace if told else "") == found


def test_the_line_of_a_request_says_its_trace(serving):
    with serving("def init(): ...\n\n\ndef run(data):\n    return 1\n") as server:
        server.score(b"1", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        server.score(b"2")
        server.terminate()
        server.process.wait(60)
        lines = [line for line in server.log.read_text().splitlines() if "POST /score 200" in line]
    assert [line.partition(" trace=")[2] for line in lines] == [TRACE, ""]


OTLP = "OTEL_EXPORTER_OTLP_"


def test_what_opentelemetry_s_variables_say_is_read():
    said = {
        f"{OTLP}ENDPOINT": "http://collector:4318/", f"{OTLP}HEADERS": "authorization=Basic%20abc,x-site = 7",
        "OTEL_RESOURCE_ATTRIBUTES": "device=cam7,service.name=eye", "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
    }  # fmt: skip
    faults = []
    assert tracing(said, "ours", faults) == Tracing(
        "http://collector:4318/v1/traces",
        (("authorization", "Basic abc"), ("x-site", "7")),
        resource=(("device", "cam7"), ("service.name", "eye")),
        ratio=0.25,
        follows=False,
    )
    said |= {f"{OTLP}TRACES_ENDPOINT": "https://other/taken/as/it/is", "OTEL_SERVICE_NAME": "named"}
    found = tracing(said, "ours", faults)
    assert (found.url, dict(found.resource)["service.name"]) == ("https://other/taken/as/it/is", "named")
    for off in (
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {f"{OTLP}TRACES_ENDPOINT": ""},
    ):
        assert tracing({**said, f"{OTLP}ENDPOINT": "", **off}, "ours", faults) is None
    assert faults == []


def test_everything_wrong_with_them_is_said_at_once_without_a_secret(exit_of, tmp_path):
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(data): ...\n")
    code, said = exit_of(
        "--entry_script", "score.py",
        **{
            f"{OTLP}ENDPOINT": "collector:4318", f"{OTLP}PROTOCOL": "grpc", f"{OTLP}CERTIFICATE": "none.pem",
            f"{OTLP}HEADERS": "hunter2", "OTEL_TRACES_SAMPLER": "sometimes", "OTEL_TRACES_SAMPLER_ARG": "2",
        },
    )  # fmt: skip
    assert (code, "hunter2" in said) == (3, False)
    for name in ("ENDPOINT", "PROTOCOL", "CERTIFICATE", "HEADERS"):
        assert f"{OTLP}{name}: " in said
    assert "OTEL_TRACES_SAMPLER: 'sometimes' is none of" in said
    assert "OTEL_TRACES_SAMPLER_ARG: '2' is no number from 0 to 1" in said
    code, said = exit_of(
        "--entry_script", "score.py", **{f"{OTLP}ENDPOINT": "https://x", f"{OTLP}CERTIFICATE": "score.py"}
    )
    assert (code, "CERTIFICATE: score.py cannot be used" in said) == (3, True)


@pytest.mark.parametrize("value", ["hunter2%0D%0Ax-other: 1", "hunter2%E2%82%AC", "hunter2%00"])
def test_a_header_that_cannot_be_sent_is_said_without_its_value(value):
    faults = []
    tracing({f"{OTLP}ENDPOINT": "http://collector:4318", f"{OTLP}HEADERS": f"key={value}"}, "ours", faults)
    assert faults == [f"{OTLP}HEADERS: the value of key cannot be sent as a header"]


@pytest.mark.parametrize("url", ["http://[::1", "http://collector:43180000", "http://collector:otlp"])
def test_an_address_that_is_none_is_said(url):
    faults = []
    tracing({f"{OTLP}ENDPOINT": url}, "ours", faults)
    assert [fault.partition(": ")[0] for fault in faults] == [f"{OTLP}ENDPOINT"]
