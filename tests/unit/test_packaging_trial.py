"""Is a container that serves told from one that does not, whichever way it serves?"""

import http.server
import ssl
import threading
from contextlib import contextmanager

import pytest

from demo.parts.identities import Authority
from edgetender.packaging.trial import followed


class Running:
    """An engine whose containers run."""

    def state(self, _identity):
        return {"Running": True, "ExitCode": 0}

    def logs(self, _identity):
        return "still starting\n"


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_): ...


@contextmanager
def serving(context=None):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        server.handle_error = lambda *_: None  # plain HTTP at a TLS port is one
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_serves_plain_or_by_tls_with_whatever_certificate(tmp_path, scheme):
    context = None
    if scheme == "https":
        pair = Authority(tmp_path).issue("someone.else")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
    with serving(context) as address:
        tried = followed(Running(), "c", address, within_s=10)
    assert (tried.serves, tried.scheme) == (True, scheme)
