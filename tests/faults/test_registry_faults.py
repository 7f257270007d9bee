"""Layers that arrive broken, on a real engine: each is refused, the image never counts, and the next try can do."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import RegistryUnreachable
from edgetender.model.image import parse_reference

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
_DOCKER = "application/vnd.docker"


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _layer() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = 300_000
        tar.addfile(entry, io.BytesIO(bytes(range(250)) * 1200))
    return raw.getvalue()


class BrokenRegistry:
    """One image; *fault* is what befalls its layer: none, corrupt."""

    def __init__(self) -> None:
        self.fault = "none"
        unpacked = _layer()
        self.layer = gzip.compress(unpacked, mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [_digest(unpacked)]},
            }
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
                    {
                        "mediaType": f"{_DOCKER}.image.rootfs.diff.tar.gzip",
                        "size": len(self.layer),
                        "digest": _digest(self.layer),
                    }
                ],
            }
        ).encode()
        answers = {
            "/v2/": b"{}",
            f"/v2/broken/blobs/{_digest(config)}": config,
            f"/v2/broken/manifests/{_digest(manifest)}": manifest,
        }
        layer_path = f"/v2/broken/blobs/{_digest(self.layer)}"

        class Answer(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(inner) -> None:  # noqa: N805  # the outer self is the registry
                status, body = 200, answers.get(inner.path)
                if inner.path == layer_path:
                    status, body = self._spoiled()
                inner.send_response(status if body is not None else 404)
                inner.send_header("Content-Type", f"{_DOCKER}.distribution.manifest.v2+json")
                inner.send_header("Content-Length", str(len(body or b"")))
                inner.end_headers()
                if inner.command == "GET":
                    inner.wfile.write(body or b"")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.reference = parse_reference(f"localhost:{self._server.server_port}/broken@{_digest(manifest)}")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _spoiled(self) -> tuple[int, bytes]:
        if self.fault == "none":
            return 200, self.layer
        middle = len(self.layer) // 2
        return 200, self.layer[:middle] + bytes([self.layer[middle] ^ 1]) + self.layer[middle + 1 :]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def broken() -> Iterator[BrokenRegistry]:
    registry = BrokenRegistry()
    yield registry
    registry.close()


def test_a_layer_that_arrives_changed_is_refused_and_comes_whole_the_next_time(
    engine_socket: str, broken: BrokenRegistry
) -> None:
    engine = DockerEngine(engine_socket, "pulling")
    try:
        broken.fault = "corrupt"
        with pytest.raises(RegistryUnreachable):
            engine.pull(broken.reference, None, lambda _: True)
        assert str(broken.reference) not in engine.images()
        broken.fault = "none"
        engine.pull(broken.reference, None, lambda _: True)
        assert str(broken.reference) in engine.images()
    finally:
        engine.remove_image(str(broken.reference))
        engine.close()
