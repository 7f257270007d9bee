"""The real API server on sockets of its own, before whatever house a test has built."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender.api import wire
from edgetender.api.connection import Bounds
from edgetender.api.house import House
from edgetender.api.server import ApiServer
from edgetender.secret import Secret


@dataclass(frozen=True)
class Reply:
    """Status, media type (over TCP only) and body."""

    status: int
    body: bytes
    media_type: str = ""

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code; the whole error has the promised shape."""
        assert set(self.document) == {"error"}
        error = self.document["error"]
        assert set(error) == {"code", "message", "problems"}
        assert all(set(problem) == {"path", "code", "message"} for problem in error["problems"])
        return str(error["code"])


@dataclass(frozen=True)
class Served:
    """A running server, and how it is asked."""

    server: ApiServer
    path: Path
    thread: threading.Thread
    port: int | None

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def ask(self, target: str, method: str = "GET", body: bytes = b"") -> Reply:
        """Ask on the admin socket."""
        with wire.request(str(self.path), method, target, body, timeout_s=60) as answer:
            return Reply(answer.status, answer.body.read())

    def ask_tcp(
        self,
        target: str,
        method: str = "GET",
        host: str = "localhost:8787",
        body: bytes = b"",
        **headers: str,
    ) -> Reply:
        """Ask on the loopback listener, by the name *host*."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port or 0, timeout=60)
        try:
            connection.request(method, target, body, {"Host": host} | headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), answer.getheader("Content-Type", ""))
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """An admin connection that says nothing yet."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(
            str(self.path)
        )  # waits for its turn; with a time limit it would be told to try again
        connection.settimeout(60)
        return connection

    def stop(self) -> bool:
        """Whether it ended."""
        self.server.stop()
        self.thread.join(60)
        return not self.thread.is_alive()


@contextmanager
def served(
    house: House,
    path: Path,
    *,
    listen: str = "",
    group: str = "",
    read_group: str = "",
    token: str = "",
    bounds: Bounds | None = None,
) -> Iterator[Served]:
    """Serve *house* at *path*. It answers from the first moment: the sockets are bound before the thread runs."""
    reading = path.with_name("ro.sock") if read_group else None
    server = ApiServer(
        house,
        socket_path=path,
        group=group,
        read_socket=reading,
        read_group=read_group,
        listen=listen,
        token=(lambda: Secret(token)) if token else None,
        bounds=bounds,
    )
    server.bind()
    thread = threading.Thread(target=server.run, name="api")
    thread.start()
    running = Served(server, path, thread, server.port)
    try:
        yield running
    finally:
        assert running.stop()
