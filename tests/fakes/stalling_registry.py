"""A registry with one image, of which only the beginning of the layer ever comes."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self

_DOCKER = "application/vnd.docker"


class StallingRegistry:
    """Plain HTTP on loopback, which engines accept. *fetches* counts how often the layer was asked for.

    An engine that gives up leaves its connection to a silent registry open (moby's cancelReadCloser closes it
    when the read ends, which it does not), so a hang-up is nothing to wait for here.
    """

    SIZE: ClassVar[int] = 4_000_000
    SENT: ClassVar[int] = 1_000_000

    def __init__(self) -> None:
        self.fetches = 0
        self._closing = threading.Event()
        layer = "sha256:" + "1" * 64  # never whole, so never compared
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}}
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{_DOCKER}.distribution.manifest.v2+json",
                "config": {
                    "mediaType": f"{_DOCKER}.container.image.v1+json",
                    "size": len(config),
                    "digest": _digest(config),
                },
                "layers": [
                    {"mediaType": f"{_DOCKER}.image.rootfs.diff.tar.gzip", "size": self.SIZE, "digest": layer}
                ],
            }
        ).encode()
        answers = {
            "/v2/": b"{}",
            f"/blobs/{_digest(config)}": config,
            f"/manifests/{_digest(manifest)}": manifest,
        }

        class Answer(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(inner) -> None:  # noqa: N805  # the outer self is the registry
                path = inner.path.removeprefix("/v2/team/probe")
                body = answers.get(path)
                inner.send_response(200 if body is not None or path.endswith(layer) else 404)
                inner.send_header("Content-Type", f"{_DOCKER}.distribution.manifest.v2+json")
                inner.send_header("Content-Length", str(self.SIZE if body is None else len(body)))
                inner.end_headers()
                if inner.command == "HEAD":
                    return
                inner.wfile.write(body if body is not None else bytes(self.SENT))
                if path.endswith(layer):
                    self.fetches += 1
                    self._closing.wait()  # and no more comes

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.reference = f"localhost:{self._server.server_port}/team/probe@{_digest(manifest)}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()
