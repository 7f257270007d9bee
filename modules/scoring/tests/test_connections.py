"""What do clients do to a server, and does it stand? Hang-ups, pipelines, garbage, limits, and the end."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROJECT = Path(__file__).resolve().parents[1]


def post(body, *headers):
    lines = ["POST /score HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_a_connection_serves_one_request_after_another(echo, connect):
    client = connect(echo)

    assert [client.ask("POST", "/score", b"%d" % n).json for n in range(50)] == [str(n) for n in range(50)]


def test_http_1_0_and_connection_close_end_the_connection(echo, connect):
    first, second = connect(echo), connect(echo)
    first.send("GET / HTTP/1.0")
    second.send("GET / HTTP/1.1\nHost: x\nConnection: close")

    for client in (first, second):
        assert client.read().header("connection") == "close"
        assert client.at_end()


def test_pipelined_answers_keep_their_order_with_two_threads(echo, connect):
    client = connect(echo)
    waits = ["wait 0.15", "b", "wait 0.05", "d", *map(str, range(60))]  # more than may wait at once

    client.socket.sendall(b"".join(post(one.encode()) for one in waits))

    assert [client.read().json for _ in waits] == waits


def test_a_request_may_arrive_byte_by_byte_and_in_chunks(echo, connect):
    client = connect(echo)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for byte in head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
        client.socket.sendall(bytes([byte]))

    assert client.read().json == "abcde"


def test_a_client_that_expects_100_continue_is_told_to_go_on(echo, connect):
    client = connect(echo)
    client.send("POST /score HTTP/1.1\nHost: x\nContent-Length: 2\nExpect: 100-continue")

    assert client.read().status == 100
    client.socket.sendall(b"ok")
    assert client.read().json == "ok"


def test_the_answer_comes_before_the_next_requests_100_continue(echo, connect):
    client = connect(echo)
    client.socket.sendall(post(b"wait 0.1"))
    client.send("POST /score HTTP/1.1\nHost: x\nContent-Length: 2\nExpect: 100-continue")

    assert client.read().json == "wait 0.1"
    assert client.read().status == 100


@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "in chunks"])
def test_a_body_over_the_limit_is_413(serving, connect, chunked):
    script = "def init(): ...\ndef run(data): return len(data)"
    with serving(script, EDGETENDER_SCORING_BODY_LIMIT_MB="0.001") as server:
        client = connect(server)
        if chunked:
            client.send("POST /score HTTP/1.1\nHost: x\nTransfer-Encoding: chunked", b"7d0\r\n" + b"x" * 2000)
        else:
            client.send("POST /score HTTP/1.1\nHost: x\nContent-Length: 2000\nExpect: 100-continue")
        refused = client.read()

        assert refused.status == 413
        assert refused.json == {"message": "The body must not exceed 1000 bytes."}
        assert refused.header("connection") == "close"
        assert client.at_end()
        assert server.score(b"x" * 1000).json == 1000


def test_a_large_body_arrives_whole(echo):
    body = "ä".encode() * 5_000_000

    assert echo.score(body).json.encode() == body


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nbad header\r\n\r\n", id="a header without colon"),
        pytest.param(b"POST /score HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="a length that is none"),
        pytest.param(
            b"POST /score HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", id="two lengths"
        ),
        pytest.param(
            b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
            id="length and chunks, as smuggled",
        ),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_ends(echo, connect, sent):
    client = connect(echo)
    client.socket.sendall(sent)

    assert client.read().status == 400
    assert client.at_end()


def test_an_endless_head_is_refused(echo, connect):
    client = connect(echo)
    client.socket.sendall(b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"y" * 70_000)

    assert client.read().status == 431


def test_garbage_after_a_good_request_leaves_its_answer_whole(echo, connect):
    client = connect(echo)
    client.socket.sendall(post(b"wait 0.05") + b"\0\0garbage\r\n\r\n")

    assert client.read().json == "wait 0.05"
    assert client.read().status == 400


def test_clients_that_hang_up_cost_nobody_else_an_answer(echo, connect):
    """Before, during and after a call; then the server answers as ever, and counts nothing in flight."""
    for body, pause in ((b"x", 0), (b"wait 0.1", 0), (b"wait 0.1", 0.05), (b"y" * 200_000, 0)):
        for reset in (False, True):
            client = connect(echo)
            if reset:  # no goodbye: the next write fails
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.socket.sendall(post(body) + post(body))
            threading.Event().wait(pause)
            client.close()
    half = connect(echo)
    half.socket.sendall(post(b"whole")[:-3])
    half.close()

    assert echo.score(b"still").json == "still"
    deadline = time.monotonic() + 60
    while "edgetender_scoring_in_flight 0" not in echo.ask("GET", "/metrics").body.decode():
        assert time.monotonic() < deadline, "a request of a client that has gone stays in flight"
    assert "Traceback" not in echo.log.read_text()


def test_a_client_that_only_sends_no_more_gets_its_answer(echo, connect):
    client = connect(echo)
    client.socket.sendall(post(b"wait 0.1"))
    client.socket.shutdown(socket.SHUT_WR)

    assert client.read().json == "wait 0.1"
    assert client.at_end()


def test_a_silent_connection_is_closed(serving, connect):
    with serving("def init(): ...\ndef run(d): return d", EDGETENDER_SCORING_IDLE_S="2") as server:
        client = connect(server)
        client.ask("GET", "/")

        assert client.at_end()


def test_liveness_answers_while_every_thread_scores(serving, connect, tmp_path):
    """A new connection each time, as probes make them."""
    script = """
        import os, threading

        def init(): ...

        def run(data):
            while not os.path.exists("go on"):
                threading.Event().wait(0.01)
            return data
    """
    with serving(script, "--worker_count", "2") as server:
        busy = [connect(server) for _ in range(2)]
        for client in busy:
            client.socket.sendall(post(b"x"))
        while "edgetender_scoring_in_flight 2" not in server.ask("GET", "/metrics").body.decode():
            pass
        for _ in range(100):
            assert server.ask("GET", "/").body == b"Healthy"
            assert server.ask("GET", "/v2/health/live").status == 200
        (tmp_path / "go on").touch()
        assert [client.read().json for client in busy] == ["x", "x"]


def test_a_run_past_its_limit_is_answered_and_does_not_block_the_next(serving):
    script = """
        import threading, time

        def init(): ...

        def run(data):
            if data == "native":
                threading.Event().wait(3600)
            while data == "python":
                try:
                    time.monotonic()
                except Exception:
                    pass
            return data
    """
    with serving(script, SCORING_TIMEOUT_MS="2000") as server:
        for kind in (b"native", b"python"):
            late = server.score(kind)
            assert (late.status, late.json) == (500, {"message": "Scoring timeout after 2000 ms"})
            assert late.header("x-ms-run-function-failed") == "True"
            assert server.score(b"next").json == "next"
        deadline = time.monotonic() + 60  # the one in Python code ends by itself, the other is native
        while b"edgetender_scoring_threads_abandoned 1" not in server.ask("GET", "/metrics").body:
            assert time.monotonic() < deadline, "the thread in Python code was not freed"
        server.terminate()
        assert server.process.wait(60) == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_body_crashes_the_server(echo, body):
    answer = echo.score(body)

    assert answer.status in {200, 400}
    if answer.status == 200:
        assert answer.json == body.decode()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_server(echo, sent):
    with socket.create_connection(("127.0.0.1", echo.port), timeout=60) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert echo.ask("GET", "/").status == 200


@pytest.mark.parametrize("plain", [False, True], ids=["uvloop and orjson", "the standard library alone"])
def test_sigterm_under_load_loses_nothing(serving, connect, ask_on, tmp_path, plain):
    """Every request that was sent on an open connection is answered; then the server exits with 0."""
    hidden = {}
    if plain:
        for name in ("uvloop", "orjson"):
            (tmp_path / f"{name}.py").write_text("raise ImportError")
        hidden = {"PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    script = "import threading\ndef init(): ...\ndef run(d):\n    threading.Event().wait(0.005)\n    return d"
    with serving(script, "--worker_count", "4", **hidden) as server:
        answered = [0] * 8

        def load(number):
            client = connect(server)
            for answer in ask_on(lambda: client.ask("POST", "/score", b"%d" % number)):
                assert (answer.status, answer.json) == (200, str(number))
                answered[number] += 1
            assert client.at_end()

        with ThreadPoolExecutor(8) as pool:
            loads = [pool.submit(load, number) for number in range(8)]
            idle = connect(server)
            pending = connect(server)
            while min(answered) < 8 and not any(one.done() for one in loads):
                threading.Event().wait(0.01)
            pending.socket.sendall(post(b"a") * 3)
            server.terminate()
            for one in loads:
                one.result()
            assert [pending.read().json for _ in range(3)] == ["a"] * 3
        assert idle.at_end()
        assert server.process.wait(60) == 0
        assert min(answered) >= 8


def test_a_call_longer_than_the_grace_time_does_not_hold_the_end(serving, connect):
    script = "import threading\ndef init(): ...\ndef run(d): threading.Event().wait(3600)"
    with serving(script, EDGETENDER_SCORING_GRACE_S="0.3") as server:
        client = connect(server)
        client.socket.sendall(post(b"x"))
        while "edgetender_scoring_in_flight 1" not in server.ask("GET", "/metrics").body.decode():
            pass
        server.terminate()

        assert server.process.wait(60) == 0
