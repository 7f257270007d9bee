"""Does production data reach the agent's socket, and does scoring never wait for that?"""

import json
import shutil
import socketserver
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgetender_scoring.collector import Collect, Collector
from edgetender_scoring.message import Request

SCRIPT = "def init(): ...\ndef run(data): return [data]"


class Agent(socketserver.UnixStreamServer):
    """Takes messages as edgetender's agent does; the first answers are *says*."""

    request_queue_size = 64

    def __init__(self, path, *says):
        self.says, self.taken, self.heads = list(says), [], []
        super().__init__(str(path), _Taking)


class _Taking(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline()
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = self.rfile.read(length)
        said = self.server.says.pop(0) if self.server.says else b"202 Accepted"
        self.wfile.write(b"HTTP/1.1 " + said + b"\r\nContent-Length: 0\r\n\r\n")
        self.server.heads.append(head)
        if said.startswith(b"202"):
            self.server.taken.append(json.loads(body))


@pytest.fixture
def path():
    place = Path(tempfile.mkdtemp(prefix="scoring-"))  # a socket's address is short
    yield place / "messages.sock"
    shutil.rmtree(place)


@contextmanager
def agent(path, *says):
    with Agent(path, *says) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(60)


def request(body):
    return Request("POST", b"/score", b"", keep_alive=True, body=body)


def until(said):
    deadline = time.monotonic() + 60
    while not said() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert said()


def test_requests_and_answers_are_sent_to_the_stream_that_the_deployment_names(serving, path):
    names = {"EDGETENDER_MESSAGES": str(path), "EDGETENDER_SCORING_SEND_STREAM": "data"}
    with agent(path) as there, serving(SCRIPT, **names) as server:
        server.score(b'{"a": 1}', x_request_id="mine")
        until(lambda: there.taken)
        assert b"edgetender_scoring_sent_total 1" in server.ask("GET", "/metrics").body
    assert there.heads[0].startswith(b"POST /v1/messages/data HTTP/1.1\r\n")
    (one,) = there.taken
    assert (one["input"], one["output"], one["request_id"]) == ({"a": 1}, ['{"a": 1}'], "mine")


def test_without_a_socket_the_start_says_what_is_missing(serving):
    with (
        pytest.raises(AssertionError, match="name the stream in the manifest"),
        serving(SCRIPT, EDGETENDER_SCORING_SEND_STREAM="data"),
    ):
        pass


def test_an_agent_that_is_away_or_busy_is_asked_again_and_scoring_waits_for_none_of_it(serving, path):
    names = {"EDGETENDER_MESSAGES": str(path), "EDGETENDER_SCORING_SEND_STREAM": "data"}
    with serving(SCRIPT, **names) as server:
        for _ in range(20):
            assert server.score(b"1").status == 200
        with agent(
            path, b"429 Too Many Requests\r\nRetry-After: 1", b"503 Service Unavailable\r\nRetry-After: 1"
        ) as there:
            until(lambda: len(there.taken) == 20)
        server.terminate()
        assert server.process.wait(60) == 0


def test_what_the_agent_never_takes_is_dropped_and_counted(path):
    with agent(path, b"413 Content Too Large", b"404 Not Found") as there:
        collector = Collector(Collect(path, stream="data"))
        for _ in range(3):
            collector.note(request(b"1"), 200, b"2", "", "")
        until(lambda: there.taken)
        collector.close()
    assert (collector.written, collector.dropped) == (1, 2)


def test_an_end_while_the_agent_is_away_is_prompt_and_counts_what_it_cost(path):
    collector = Collector(Collect(path, stream="data"))
    for _ in range(5):
        collector.note(request(b"1"), 200, b"2", "", "")
    collector.close()
    collector._thread.join(60)
    assert not collector._thread.is_alive()  # it waits for no answer
    assert (collector.written, collector.dropped) == (0, 5)


def test_what_waits_for_an_agent_that_is_away_is_bounded(path):
    collector = Collector(Collect(path, stream="data"))
    for _ in range(40):
        collector.note(request(b"x" * 1_000_000), 200, b"", "", "")
    assert collector.dropped >= 20
    collector.close()
