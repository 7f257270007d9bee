"""How requests reach a registry: over connections that are kept, and by the proxy that the environment names."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgetender.errors import RegistryUnreachable
from edgetender.registry.connection import Connection
from edgetender.registry.wire import ProxyError, Wire, proxy_of

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Server(ThreadingHTTPServer):
    """Answers with `hello`; *heard* is the first line of every request, *connections* how many there were."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[str] = []
        self.authorized: list[str | None] = []
        self.connections = 0
        self.ended = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def finish(self) -> None:
        super().finish()
        self.server.ended.release()

    def answer(self, status: int, body: bytes, *, last: bool = False) -> None:
        self.server.heard.append(self.requestline.rpartition(" ")[0])
        self.server.authorized.append(self.headers["Proxy-Authorization"])
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or last

    def do_GET(self) -> None:
        self.answer(200, b"hello", last=self.path == "/last")

    def do_PUT(self) -> None:
        self.answer(413, b"too long", last=True)  # none of it is read

    def do_CONNECT(self) -> None:
        self.answer(407, b"", last=True)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.lower, NAMES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with contextlib.closing(Wire(lambda _: ssl.create_default_context(), 5, direct=False)) as wire:
        yield wire


def ask(wire: Wire, url: str) -> bytes:
    with wire.send("GET", url, {}, None) as answer:
        return b"".join(iter(lambda: answer.read(3), b""))


def test_a_connection_is_used_again_once_its_answer_was_read(wire: Wire, server: Server):
    assert [ask(wire, server.url), ask(wire, f"{server.url}/more?of=it")] == [b"hello", b"hello"]
    assert (server.connections, server.heard) == (1, ["GET /", "GET /more?of=it"])


def test_an_answer_that_is_not_read_to_its_end_ends_its_connection(wire: Wire, server: Server):
    with wire.send("GET", server.url, {}, None) as answer:
        assert answer.read(2) == b"he"
    assert ask(wire, server.url) == b"hello"
    assert server.connections == 2


def test_a_connection_that_the_far_side_ended_meanwhile_is_not_used_again(wire: Wire, server: Server):
    assert ask(wire, f"{server.url}/last") == b"hello"
    assert server.ended.acquire(timeout=5)
    assert ask(wire, server.url) == b"hello"
    assert server.connections == 2


def test_who_refuses_a_long_body_before_reading_it_is_heard(wire: Wire, server: Server):
    with wire.send("PUT", server.url, {}, lambda: bytes(1 << 20)) as answer:
        assert answer.status == 413


def test_plain_http_goes_by_the_proxy_with_its_password(
    wire: Wire, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//line3:p%40ss@"))
    assert ask(wire, "http://registry.test/v2/?n=1") == b"hello"
    assert server.heard == ["GET http://registry.test/v2/?n=1"]
    assert server.authorized == ["Basic bGluZTM6cEBzcw=="]


def test_a_proxy_that_lets_nothing_through_is_named(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    with (
        Connection("registry.test:5000") as connection,
        pytest.raises(RegistryUnreachable, match="proxy let nothing through"),
        connection.request("GET", "/v2/", what="look", scope=""),
    ):
        pass
    assert server.heard == ["CONNECT registry.test:5000"]


@pytest.mark.parametrize(
    ("excepted", "host", "by_proxy"),
    [
        ("", "10.1.2.3", True),
        ("10.0.0.0/8, other", "10.1.2.3", False),
        ("10.0.0.0/8", "11.1.2.3", True),
        ("10.0.0.0/8", "registry.test", True),
        ("registry.test", "registry.test", False),
        (".test", "registry.test", False),
        ("*", "10.1.2.3", False),
        ("fd00::/8", "fd00::1", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(
    excepted: str, host: str, *, by_proxy: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("https_proxy", "proxy.test:3128")
    monkeypatch.setenv("no_proxy", excepted)
    assert proxy_of(("https", host, 443)) == ("http://proxy.test:3128" if by_proxy else None)


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.test")
    with pytest.raises(ProxyError, match="socks5"):
        proxy_of(("https", "registry.test", 443))


def test_a_file_of_authorities_that_is_not_there_is_named_as_such(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        with (
            Connection(host, ca_file=tmp_path / "none.pem") as connection,
            pytest.raises(RegistryUnreachable, match=r"No such file.*is ca_file readable"),
            connection.request("GET", "/v2/", what="look", scope=""),
        ):
            pass
