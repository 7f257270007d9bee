"""A manifest that lies elsewhere: only what the twin's digest names is taken."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.parts.identities import Authority
from edgetender.errors import LinkDown, ManifestInvalid
from edgetender.transports.iothub_fetch import fetch
from edgetender.transports.iothub_twin import Reference

BODY = b'{"schema": "edgetender/v1"}'
SHA = hashlib.sha256(BODY).hexdigest()


class Shelf(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        there = self.path == "/m.json?sig=hunter2"
        self.send_response(200 if there else 404)
        self.end_headers()
        self.wfile.write(BODY if there else b"")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}", authority.certificate
        server.shutdown()
        thread.join(60)


def test_what_lies_there_is_fetched(shelf: tuple[str, Path]) -> None:
    url, ca = shelf
    assert fetch(Reference(f"{url}/m.json?sig=hunter2", SHA), ca) == BODY


def test_other_bytes_are_refused(shelf: tuple[str, Path]) -> None:
    url, ca = shelf
    with pytest.raises(ManifestInvalid, match="another digest"):
        fetch(Reference(f"{url}/m.json?sig=hunter2", "0" * 64), ca)


def test_what_cannot_be_had_is_a_link_down_that_tells_no_signature(shelf: tuple[str, Path]) -> None:
    url, ca = shelf
    with pytest.raises(LinkDown, match="404") as missing:
        fetch(Reference(f"{url}/other.json?sig=hunter2", SHA), ca)
    with pytest.raises(LinkDown, match="verify failed") as untrusted:
        fetch(Reference(f"{url}/m.json?sig=hunter2", SHA), None)
    with pytest.raises(LinkDown) as nobody:
        fetch(Reference("https://127.0.0.1:1/m.json?sig=hunter2", SHA), ca)
    for error in (missing, untrusted, nobody):
        assert "hunter2" not in str(error.value)
