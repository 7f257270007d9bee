"""How is a pull of the engine's kept to a bandwidth? It pulls from here, and here the bytes come in measure.

An engine knows no limit for a pull. So it is told to fetch the image from this process, on the loopback address, which
engines take for a registry without TLS; the agent's own client fetches from the real one. No byte lies twice on the
disk, and what the engine has already is not asked for.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edgetender.errors import AgentError, ImageMissing, RegistryDenied
from edgetender.model.image import NEAR, Credential, ImageReference
from edgetender.model.pacing import Bucket, take
from edgetender.registry.connection import Answer, Connection
from edgetender.registry.images import RegistrySettings
from edgetender.registry.manifests import ACCEPTED

_KEPT = ("Content-Type", "Content-Length", "Content-Range", "Docker-Content-Digest")
_BURST_S = 0.25
_PIECE = 16 * 1024
_OK, _PARTIAL, _NOT_FOUND, _BAD_GATEWAY = 200, 206, 404, 502


class Relay:
    """Passes at most *bytes_per_s* on, of all pulls together. Threads: any; one server for each pull.

    *settings* are those by which the agent itself reaches registries.
    """

    def __init__(
        self,
        settings: Mapping[str, RegistrySettings],
        bytes_per_s: float,
        *,
        timeout_s: float = 10,
    ) -> None:
        self._settings, self._timeout_s = dict(settings), timeout_s
        self._bytes_per_s = bytes_per_s
        # no larger than what may go at once: who waits for a piece holds up those behind it
        self.piece_bytes = max(1, min(_PIECE, int(bytes_per_s * _BURST_S)))
        self._lock = threading.Lock()
        self._bucket: Bucket | None = None

    @contextmanager
    def serving(self, reference: ImageReference, credential: Credential | None) -> Iterator[ImageReference]:
        """Yield the name by which the engine gets *reference* here, and by which it can be removed then.

        Left, nothing is passed on any more, whether the engine has hung up or not; the real registry is let go at
        its next bytes, or after *timeout_s* without any.
        What the real registry answered, when it was no image, is raised in place of what the engine made of it.
        """
        name = NEAR + secrets.token_hex(16)  # whoever else is on this machine does not know it
        server = _Server()
        server.pull = _Pull(self, reference, credential, f"/v2/{name}/{reference.repository}/")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="relay", daemon=True)
        thread.start()
        try:
            host = f"127.0.0.1:{server.server_address[1]}"
            yield ImageReference(host, f"{name}/{reference.repository}", None, reference.digest)
        except AgentError:
            if server.pull.error is not None:
                raise server.pull.error from None
            raise
        finally:
            server.end()
            thread.join()

    def connection(self, host: str, credential: Credential | None) -> Connection:
        chosen = self._settings.get(host, RegistrySettings())
        return Connection(
            host,
            credential=credential,
            ca_file=chosen.ca_file,
            plain_http=chosen.plain_http,
            timeout_s=self._timeout_s,
        )

    def wait(self, amount: int, ended: threading.Event) -> bool:
        """Return when *amount* bytes may go on; False when the pull *ended* meanwhile."""
        with self._lock:
            self._bucket, wait_s = take(
                self._bucket, time.monotonic(), self._bytes_per_s, amount, burst_s=_BURST_S
            )
        return not ended.wait(wait_s)


class _Pull:
    """What one engine's pull may ask for, and what the registry answered when it was no image."""

    def __init__(
        self, relay: Relay, reference: ImageReference, credential: Credential | None, prefix: str
    ) -> None:
        self.relay, self._reference, self._credential, self._prefix = relay, reference, credential, prefix
        self.error: AgentError | None = None
        self.ended = threading.Event()

    @contextmanager
    def ask(self, path: str, span: str | None) -> Iterator[Answer | None]:
        """The real registry's answer; None for what is not of this pull."""
        kind, _, name = path.removeprefix(self._prefix).partition("/")
        if not path.startswith(self._prefix) or kind not in ("manifests", "blobs") or ":" not in name:
            yield None
            return
        repository = self._reference.repository
        headers = {"Accept": ", ".join(ACCEPTED) if kind == "manifests" else "*/*"}
        with (
            self.relay.connection(self._reference.registry, self._credential) as connection,
            connection.request(
                "GET",
                f"/v2/{repository}/{kind}/{name}",
                what=f"pull {self._reference}",
                scope=f"repository:{repository}:pull",
                expect=frozenset({_OK, _PARTIAL}),
                headers=headers | ({"Range": span} if span else {}),
            ) as answer,
        ):
            yield answer


class _HungUp(Exception):
    """The engine did; the registry is not to blame."""


@contextmanager
def _to_engine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _HungUp from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pull: _Pull

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._wires: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._wires.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._wires.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An engine that hangs up is no news: its pull says why."""

    def end(self) -> None:
        """Serve nobody any more. An engine that gave a pull up may leave its connections open, and read on."""
        self.pull.ended.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for wire in self._wires:
                with contextlib.suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def log_message(self, *_: object) -> None:
        """Not on stderr: the path holds this pull's name."""

    def _serve(self, *, body: bool) -> None:
        if self.path == "/v2/":
            self._end(_OK)
            return
        pull = self.server.pull
        try:
            with pull.ask(self.path, self.headers.get("Range")) as answer, contextlib.suppress(_HungUp):
                if answer is None:
                    self._end(_NOT_FOUND)
                    return
                self.send_response(answer.status)
                for header in _KEPT:
                    if value := answer.header(header):
                        self.send_header(header, value)
                self.send_header("Connection", "close")
                self.end_headers()
                if body:
                    self._pass_on(answer, pull)
        except AgentError as error:
            pull.error = error
            self.close_connection = True
            if not self._headers_sent:
                self._end(_NOT_FOUND if isinstance(error, ImageMissing | RegistryDenied) else _BAD_GATEWAY)

    def _pass_on(self, answer: Answer, pull: _Pull) -> None:
        self.close_connection = True
        size = pull.relay.piece_bytes
        for chunk in answer.chunks():
            for start in range(0, len(chunk), size):
                piece = chunk[start : start + size]
                if not pull.relay.wait(len(piece), pull.ended):
                    return
                with _to_engine():
                    self.wfile.write(piece)

    def end_headers(self) -> None:
        self._headers_sent = True
        with _to_engine():
            super().end_headers()

    _headers_sent = False

    def _end(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
