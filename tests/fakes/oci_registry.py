"""A registry that keeps the OCI distribution specification to the letter, and hangs up where a test wants it to."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class OciRegistry:
    """Plain HTTP on loopback. *asked*: (method, path without query, bytes of the body that came) in their order.

    *budget*: after how many bytes of a body, of either direction, the connection ends; each number counts once,
    for the next body that is longer. *mounts*: whether blobs are taken from other repositories; *ranged*: whether
    a part of a blob may be asked for.
    """

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}  # (repository, digest)
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.referrers: dict[tuple[str, str], bytes] | None = None  # None: it has no such API
        self.uploads: dict[str, bytearray] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.ranges: list[str] = []  # Content-Range and Range headers that came
        self.budget: list[int] = []
        self.mounts = self.ranged = True
        self.refuses = 0  # the status that a manifest gets, instead of being taken
        registry = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                _Exchange(registry, self).answer()

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _any  # noqa: N815  http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def sent(self, *methods: str) -> int:
        """The bytes that came with these methods."""
        return sum(size for method, _, size in self.asked if method in methods)


class _HangUp(Exception):
    """The connection ends here."""


class _Exchange:
    def __init__(self, registry: OciRegistry, wire: Any) -> None:
        self._registry, self._wire = registry, wire
        url = urlsplit(wire.path)
        self._path = url.path
        self._query = {name: values[0] for name, values in parse_qs(url.query).items()}

    def answer(self) -> None:
        self._registry.ranges += [
            value for name in ("Content-Range", "Range") if (value := self._wire.headers.get(name))
        ]
        try:
            match re.fullmatch(r"/v2/(.+?)/(blobs|manifests|blobs/uploads|referrers)/([^/]*)", self._path):
                case None:
                    self._say(404)
                case found:
                    getattr(self, f"_{found[2].replace('blobs/', '')}")(found[1], found[3])
        except _HangUp:
            self._wire.close_connection = True

    def _body(self, into: bytearray) -> None:
        left = int(self._wire.headers.get("Content-Length") or 0)
        before = len(into)
        stops = self._stops(left)
        try:
            if stops == 0:
                raise _HangUp
            while left and (chunk := self._wire.rfile.read(min(left, 65536, stops or left))):
                into += chunk
                left -= len(chunk)
                if stops is not None and (stops := stops - len(chunk)) <= 0:
                    raise _HangUp
            if left:
                raise _HangUp  # the client is gone
        finally:
            self._registry.asked.append((self._wire.command, self._path, len(into) - before))

    def _stops(self, size: int) -> int | None:
        """After how many bytes of so many the wire breaks; None: it does not."""
        budget = self._registry.budget
        return budget.pop(0) if budget and budget[0] < size else None

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self._wire.send_response(status)
        for name, value in headers.items():
            self._wire.send_header(name.replace("_", "-"), value)
        self._wire.send_header("Content-Length", str(len(body)))
        self._wire.end_headers()
        if self._wire.command != "HEAD":
            stops = self._stops(len(body))
            self._wire.wfile.write(body[:stops])
            if stops is not None:
                self._wire.wfile.flush()
                raise _HangUp

    def _referrers(self, repository: str, digest: str) -> None:
        if self._registry.referrers is None:
            self._say(404, b"404 page not found")
            return
        empty = b'{"schemaVersion":2,"manifests":[]}'
        self._say(200, self._registry.referrers.get((repository, digest), empty))

    def _manifests(self, repository: str, name: str) -> None:
        if self._wire.command == "PUT":
            body = bytearray()
            self._body(body)
            if self._registry.refuses:
                self._say(self._registry.refuses)
                return
            for key in (name, _digest(body)):
                self._registry.manifests[repository, key] = bytes(body)
            self._say(201)
            return
        found = self._registry.manifests.get((repository, name))
        self._say(404 if found is None else 200, found or b"")

    def _blobs(self, repository: str, digest: str) -> None:
        self._registry.asked.append((self._wire.command, self._path, 0))
        found = self._registry.blobs.get((repository, digest))
        if found is None:
            self._say(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self._wire.headers.get("Range") or "")
        if asked is None or not self._registry.ranged:
            self._say(200, found)
        elif int(asked[1]) >= len(found):
            self._say(416)
        else:
            said = f"bytes {asked[1]}-{len(found) - 1}/{len(found)}"
            self._say(206, found[int(asked[1]) :], Content_Range=said)

    def _uploads(self, repository: str, name: str) -> None:
        uploads, command = self._registry.uploads, self._wire.command
        if command == "POST":
            self._begin(repository)
        elif name not in uploads:
            self._body(bytearray())
            self._say(404)
        elif command == "GET":
            self._registry.asked.append((command, self._path, 0))
            self._say(204, Range=_range(uploads[name]), Location=self._path)
        else:
            said = re.fullmatch(r"(\d+)-(\d+)", self._wire.headers.get("Content-Range") or "")
            if said is not None and int(said[1]) != len(uploads[name]):
                self._body(bytearray())
                self._say(416, Range=_range(uploads[name]), Location=self._path)
                return
            self._body(uploads[name])
            if command == "PATCH":
                self._say(202, Range=_range(uploads[name]), Location=self._path)
            elif _digest(uploads[name]) != self._query["digest"]:
                del uploads[name]
                self._say(400)
            else:
                self._registry.blobs[repository, self._query["digest"]] = bytes(uploads.pop(name))
                self._say(201)

    def _begin(self, repository: str) -> None:
        self._registry.asked.append(("MOUNT" if "mount" in self._query else "POST", self._path, 0))
        digest = self._query.get("mount", "")
        source = self._registry.blobs.get((self._query.get("from", ""), digest))
        if source is not None and self._registry.mounts:
            self._registry.blobs[repository, digest] = source
            self._say(201)
            return
        name = str(len(self._registry.asked))
        self._registry.uploads[name] = bytearray()
        self._say(202, Location=f"/v2/{repository}/blobs/uploads/{name}")


def _range(upload: bytearray) -> str:
    return f"0-{max(len(upload) - 1, 0)}"


def _digest(body: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
