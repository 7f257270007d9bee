"""Does the engine answer at all?"""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from edgetender.engine.connection import Connection
from edgetender.errors import EngineDown
from edgetender.pulse import Pulse
from tests.builders.loops import deployed, running
from tests.faults.docker_api import UnixServer


class Engine:
    """Answers, or not, as the test says."""

    silent: str | None = None
    woken = 0

    def ping(self) -> None:
        if self.silent is not None:
            raise EngineDown(self.silent)

    def wake(self) -> None:
        self.woken += 1


def test_news_wakes_the_loop_and_what_is_known_already_does_not():
    engine = Engine()
    pulse = Pulse(engine.ping, engine.wake, threading.Event())
    for silent, woken in ((None, 0), ("it hangs", 1), ("it hangs still", 1), (None, 2), (None, 2)):
        engine.silent = silent
        pulse.feel()
        assert (pulse(), engine.woken) == (silent, woken)


def test_an_engine_that_is_known_to_be_silent_is_not_waited_for():
    loop = deployed()
    before, asked = running(loop), []

    def containers() -> None:
        asked.append("containers")

    loop.silent = "it hangs"
    real, loop.engine.containers = loop.engine.containers, containers
    loop.cycle()
    assert (loop.last.observed.engine_down, loop.last.plan.steps, asked) == ("it hangs", (), [])
    loop.silent, loop.engine.containers = None, real
    loop.run(5)
    assert (loop.last.observed.engine_down, running(loop)) == (None, before)


def test_a_ping_to_an_engine_that_says_nothing_ends_in_time(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()
        with pytest.raises(EngineDown, match=r"no full answer in 0\.6 s"):
            Connection(f"unix://{tmp_path}/engine.sock", 30.0).ping(within_s=0.6)


class Slow(BaseHTTPRequestHandler):
    """Its first list takes longer than anybody waits; its ping comes at once."""

    protocol_version = "HTTP/1.1"
    pinged: threading.Event

    def do_GET(self) -> None:
        if "/containers/json" in self.path and not self.pinged.is_set():
            self.pinged.wait(60)
            return
        if self.path == "/_ping":
            self.pinged.set()
        body = b'{"ApiVersion": "1.41"}' if self.path.endswith("/version") else b"[]"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not to the tests' output."""


def test_an_engine_that_is_only_slow_is_asked_once_more(tmp_path: Path):
    pinged = threading.Event()
    server = UnixServer(str(tmp_path / "engine.sock"), type("Handler", (Slow,), {"pinged": pinged}))
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    connection = Connection(f"unix://{tmp_path}/engine.sock", 3.0)
    try:
        assert connection.looking("list containers", lambda client: client.containers()) == []
        assert pinged.is_set()
    finally:
        connection.close()
        server.shutdown()
        server.server_close()
        serving.join(60)
