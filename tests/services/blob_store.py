"""A store for uploads, as a device sees Azure's: HTTPS, and what is put there stays."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.parts.identities import Authority


class BlobStore(ThreadingHTTPServer):
    """Keeps what is put there; answers *code*, and waits for *open* before."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), Shelf)
        pair = authority.issue("localhost", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.kept: dict[str, bytes] = {}
        self.code, self.open = 201, threading.Event()
        self.open.set()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/logs?sv=1&sig=hunter2"


class Shelf(BaseHTTPRequestHandler):
    server: BlobStore

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.open.wait(60)
        assert self.headers["x-ms-blob-type"] == "BlockBlob"
        self.server.kept[self.path] = body
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def blob_store(authority: Authority) -> Iterator[BlobStore]:
    """One whose certificate *authority* signed."""
    with BlobStore(authority) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(60)
