"""Does the server keep the scoring contract? One case per row of its tables, over real HTTP."""

from itertools import product

import pytest

FAILED = "x-ms-run-function-failed"
EXEC = "x-ms-run-fn-exec-ms"
IN_SCRIPT = "An unexpected error occurred in scoring script. Check the logs for more info."
IN_SERVER = "An unexpected internal error occurred. Check the logs for more info."
NOT_ALLOWED = "The method is not allowed for the requested URL."

CASES = """
    import json
    from azureml_inference_server_http.api.aml_response import AMLResponse
    from azureml.contrib.services.aml_response import AMLResponse as Old
    assert Old is AMLResponse

    def init():
        print("loaded")

    def run(raw_data, request_headers):
        match json.loads(raw_data):
            case "none":
                return None
            case "text":
                return "text"
            case "unserialisable":
                return {1, 2}
            case "big":
                return [2 ** 70, {3: 4}]
            case "own":
                return AMLResponse("own words", 418, {"X-Many": "a, b"})
            case "own json":
                return AMLResponse({"a": 1}, 201, json_str=True)
            case "own 503":
                return AMLResponse("busy", 503)
            case "forged":
                return AMLResponse("x", 200, {"X-Bad": "a\\r\\nSet-Cookie: b"})
            case "own type":
                return AMLResponse(b"\\x89PNG", 200, {"Content-Type": "image/png"})
            case "own none":
                return AMLResponse(None, 200)
            case "own failed":
                return AMLResponse("x", 200, run_function_failed=True)
            case "written to":
                answer = AMLResponse("x", 200)
                answer.headers["X-One"] = "0"
                answer.headers["x-one"] = "1"
                answer.headers.add("X-Two", 2)
                return answer
            case "headers":
                return request_headers
            case "exit":
                raise SystemExit(4)
            case other:
                return other
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, serving_in):
    with serving_in(tmp_path_factory.mktemp("contract"), CASES, SCORING_TIMEOUT_MS="5000") as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "status", "body", "kind", "failed"),
    [
        pytest.param(b'{"a": [1.5]}', 200, {"a": [1.5]}, "application/json", "False", id="a result"),
        pytest.param(b'"none"', 200, {}, "application/json", "False", id="None"),
        pytest.param(b'"text"', 200, "text", "application/json", "False", id="text"),
        pytest.param(b'"big"', 200, [2**70, {"3": 4}], "application/json", "False", id="beyond orjson"),
        pytest.param(b"", 500, {"message": IN_SCRIPT}, "application/json", "True", id="an empty body"),
        pytest.param(b"{", 500, {"message": IN_SCRIPT}, "application/json", "True", id="run raises"),
        pytest.param(b'"exit"', 500, {"message": IN_SCRIPT}, "application/json", "True", id="run exits"),
        pytest.param(
            b'"unserialisable"', 500, {"message": IN_SERVER}, "application/json", "False", id="a set"
        ),
        pytest.param(
            b'"forged"', 500, {"message": IN_SERVER}, "application/json", "False", id="a forged header"
        ),
        pytest.param(b'"own json"', 201, {"a": 1}, "application/json", "False", id="AMLResponse as JSON"),
    ],
)
def test_a_case_of_scoring_gets_its_status_and_body(server, sent, status, body, kind, failed):
    answer = server.score(sent, Content_Type="application/json")

    assert (answer.status, answer.json) == (status, body)
    assert answer.header("content-type") == kind
    assert answer.header(FAILED) == failed
    assert (answer.header(EXEC) is None) == (status >= 500)


def test_a_body_that_is_no_text_is_the_clients_fault(server):
    answer = server.score(b"\xff\xfe")

    assert (answer.status, answer.header(FAILED)) == (400, "False")
    assert answer.json["message"].startswith("Input cannot be decoded as UTF-8: ")


def test_an_answer_of_the_scripts_own_goes_out_as_it_is(server):
    own, busy = server.score(b'"own"'), server.score(b'"own 503"')

    assert (own.status, own.body) == (418, b"own words")
    assert own.header("content-type") == "text/html; charset=utf-8"
    assert [value for name, value in own.headers if name == "X-Many"] == ["a", "b"]
    assert (own.header(FAILED), busy.header(FAILED), busy.status) == ("False", "True", 503)
    assert busy.header(EXEC) is not None


def test_an_answer_of_the_scripts_own_may_be_of_any_type(server):
    typed, nothing, failed, written = (
        server.score(f'"{case}"'.encode()) for case in ("own type", "own none", "own failed", "written to")
    )

    assert (typed.header("content-type"), typed.body) == ("image/png", b"\x89PNG")
    assert (nothing.header("content-type"), nothing.json) == ("application/json", {})
    assert (failed.status, failed.header(FAILED)) == (200, "True")
    assert [pair for pair in written.headers if pair[0].lower() in {"x-one", "x-two"}] == [
        ("x-one", "1"),
        ("X-Two", "2"),
    ]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_the_body_reaches_run_whatever_its_content_type(server, kind):
    assert server.score(b"[1]", Content_Type=kind).json == [1]


def test_the_query_of_a_get_reaches_run_as_json(server):
    answer = server.ask("GET", "/score?a=1&b=x&c=[2]&b=3&e=")

    assert answer.json == {"a": 1, "b": ["x", 3], "c": [2], "e": ""}


def test_run_may_ask_for_the_headers(server):
    answer = server.score(b'"headers"', Content_Type="application/json", x_own="1")

    assert answer.json["Content-Type"] == "application/json"
    assert answer.json["X-Own"] == "1"


def test_health_is_a_word_and_head_has_no_body(server, connect):
    answer = server.ask("GET", "/")
    client = connect(server)

    assert (answer.status, answer.body) == (200, b"Healthy")
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("x-ms-server-version")
    assert (answer.header(FAILED), answer.header(EXEC)) == (None, None)
    assert client.ask("HEAD", "/").header("content-length") == "7"
    assert client.ask("GET", "/").body == b"Healthy", "HEAD had a body"


def test_options_on_score_is_answered_without_the_script(server):
    answer = server.ask("OPTIONS", "/score")

    assert (answer.status, answer.body, answer.header(FAILED), answer.header(EXEC)) == (
        200,
        b"",
        "False",
        None,
    )


def test_head_on_score_does_not_score(server):
    answer = server.ask("HEAD", "/score?a=1")

    assert (answer.status, answer.header(EXEC), answer.header(FAILED)) == (405, None, "False")
    assert answer.header("x-request-id")


def test_options_on_health_says_what_may_be_asked(server):
    answer = server.ask("OPTIONS", "/")

    assert (answer.status, answer.body, answer.header("allow")) == (200, b"", "GET, HEAD, OPTIONS")
    assert answer.header("x-request-id")


@pytest.mark.parametrize(
    ("method", "path", "status", "begins"),
    [
        ("PUT", "/score", 405, NOT_ALLOWED),
        ("DELETE", "/score", 405, NOT_ALLOWED),
        ("POST", "/", 405, NOT_ALLOWED),
        ("GET", "/nowhere", 404, "The requested URL was not found on the server. "),
        ("POST", "/score/", 404, "The requested URL was not found on the server. "),
    ],
)
def test_an_error_of_routing_is_json_and_carries_no_ids(server, method, path, status, begins):
    answer = server.ask(method, path, **{"x-request-id": "a"})

    assert answer.status == status
    assert answer.json["message"].startswith(begins)
    own = {name.lower(): value for name, value in answer.headers if name.lower().startswith("x-")}
    assert own == {FAILED: "False"}


@pytest.mark.parametrize("given", [*product((None, "a"), (None, "b"), (None, "c"))])
@pytest.mark.parametrize("path", ["/", "/score"])
def test_ids_are_answered_by_the_table(server, path, given):
    names = ("x-request-id", "x-ms-request-id", "x-ms-client-request-id")
    sent = {name: value for name, value in zip(names, given, strict=True) if value}

    answer = server.ask("GET", path, **sent)

    mine, ms, client = given
    request_id = answer.header(names[0])
    assert request_id == (mine or request_id)
    assert len(request_id) == (1 if mine else 36)
    assert answer.header(names[1]) == (ms or client or request_id)
    assert answer.header(names[2]) == (client or ms)


def test_an_id_may_have_100_characters_and_no_more(server):
    first = server.score(b"1", x_request_id="i" * 101)
    other = server.score(b"1", x_request_id="i" * 100, x_ms_request_id="i" * 101)

    assert (first.status, other.status) == (431, 431)
    assert first.json == {"message": "x-request-id must not exceed 100 characters"}
    assert first.header("x-request-id") is None
    assert first.header(FAILED) == "False"
    text = "x-ms-request-id and x-ms-client-request-id must not exceed 100 characters"
    assert other.json == {"message": text}
    assert other.header("x-request-id") == "i" * 100
    assert other.header("x-ms-request-id") is None
    for path in ("/", "/swagger.json"):
        refused = server.ask("GET", path, x_request_id="i" * 101)
        assert (refused.status, refused.json, refused.header(FAILED)) == (431, first.json, "False")


def test_the_trace_id_is_echoed(server):
    assert server.score(b"1", TraceId="t").header("TraceId") == "t"


def test_metrics_count_scoring_by_code_and_time(server):
    def count(code):
        text = server.ask("GET", "/metrics").body.decode()
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert float(lines['edgetender_scoring_duration_seconds_bucket{le="+Inf"}']) == float(
            lines["edgetender_scoring_duration_seconds_count"]
        )
        return int(lines.get(f'edgetender_scoring_requests_total{{code="{code}"}}', "0"))

    before = count(200), count(500)
    server.score(b"1")
    server.score(b"{")
    assert (count(200), count(500)) == (before[0] + 1, before[1] + 1)


def test_what_a_script_prints_is_in_the_log(server):
    assert "azmlinfsrv.print: loaded" in server.log.read_text()


def test_readiness_and_liveness_are_answered(server):
    assert server.ask("GET", "/v2/health/ready").json == {"ready": True}
    assert server.ask("GET", "/v2/health/live").json == {"live": True}


def test_a_foreign_origin_gets_no_leave_but_the_call_still_runs(serving):
    with serving(CASES, AML_CORS_ORIGINS="https://a.example, https://b.example") as server:
        preflight = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-b, content-type",
        }
        mine = server.ask("OPTIONS", "/score", Origin="https://b.example", **preflight)
        forged = server.ask(
            "OPTIONS",
            "/score",
            Origin="https://b.example",
            **{**preflight, "Access-Control-Request-Headers": "\xff"},
        )
        plain = server.ask("OPTIONS", "/score", Origin="https://b.example")
        health = server.ask("GET", "/", Origin="https://b.example")
        foreign = server.score(b"1", Origin="https://evil.example")
        none = server.score(b"1")

    assert mine.header("access-control-allow-origin") == "https://b.example"
    assert mine.header("access-control-allow-methods") == "GET, POST"
    assert mine.header("access-control-allow-headers") == "content-type, x-b"
    assert plain.header("access-control-allow-methods") is None
    assert forged.status == 200
    assert health.header("access-control-allow-origin") == "https://b.example"
    assert (foreign.status, foreign.header("access-control-allow-origin")) == (200, None)
    assert foreign.header("vary") == "Origin"
    assert none.header("access-control-allow-origin") == "https://a.example"
