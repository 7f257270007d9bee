"""How is the fleet asked over HTTP? For Prometheus, for people, for scripts; read-only."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgetender.fleet.devices import Fleet
from edgetender.fleet.exposition import exposition
from edgetender.fleet.overview import overview
from edgetender.pages import HEADERS, asset

_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_SLOW_S = 30.0


class FleetServer(ThreadingHTTPServer):
    """Answers `/metrics`, `/v1/fleet` and the page on *host*, *port*; raises OSError.

    Call `serve_forever`, and `shutdown` to end it. Where it listens for this machine alone, it answers to this
    machine's names alone: a web page whose name was rebound to 127.0.0.1 still sends its own.
    """

    daemon_threads = True

    def __init__(self, fleet: Fleet, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.fleet, self.local = fleet, host in _LOCAL


class _Handler(BaseHTTPRequestHandler):
    server: FleetServer
    timeout = _SLOW_S

    def do_GET(self) -> None:  # the library calls it so
        host = self.headers.get("Host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if self.server.local and name.strip("[]").lower() not in _LOCAL:
            self._send(421, "text/plain", b"ask for localhost\n")
            return
        match self.path.partition("?")[0]:
            case "/metrics":
                fleet = self.server.fleet
                self._send(200, _METRICS, exposition(fleet.devices(), connected=fleet.connected))
            case "/v1/fleet":
                self._fleet()
            case path:
                found = asset("fleet", "index.html" if path == "/" else path.removeprefix("/page/"))
                self._send(200 if found else 404, *(found or ("text/plain", b"see /, /metrics, /v1/fleet\n")))

    def _fleet(self) -> None:
        """The document; 304 where the asker has the same already: pages ask again and again."""
        fleet = self.server.fleet
        body = json.dumps(overview(fleet.devices(), connected=fleet.connected)).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            self._send(304, "application/json", b"", tag)
        else:
            self._send(200, "application/json", body, tag)

    def _send(self, status: int, media_type: str, body: bytes, tag: str = "") -> None:
        self.send_response(status)
        headers = {"Content-Type": media_type, "Content-Length": str(len(body))} | HEADERS
        if tag:
            headers |= {"ETag": tag, "Cache-Control": "no-cache"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A scrape every 15 s is no news."""
