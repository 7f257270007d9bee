"""What does a container's answer, or its silence, say of its readiness?"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from demo.parts.process import free_port
from edgetender.engine.http_exchange import http_exchange
from edgetender.engine.http_probe import http_probe


@contextlib.contextmanager
def serving(answer: bytes | None) -> Iterator[int]:
    """A port that sends *answer* to whoever comes; None: it takes the connection and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = listener.accept()
                held.append(wire)
                wire.recv(4096)
                if answer is not None:
                    wire.sendall(answer)
                    wire.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for wire in held:
            wire.close()
        thread.join()


@contextlib.contextmanager
def dripping(*, head: bytes = b"") -> Iterator[int]:
    """A port that sends *head* at once, and then an answer that never ends, byte by byte."""
    listener, ended = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        wire, _ = listener.accept()
        with wire, contextlib.suppress(OSError):
            wire.recv(4096)
            wire.sendall(head or b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ended.wait(0.02):
                wire.sendall(b"a")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join()
        listener.close()


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "302 Found"])
def test_a_2xx_or_3xx_answer_is_ready(status: str) -> None:
    with serving(answer(status)) as port:
        assert http_probe("127.0.0.1", port, "/", 5) is None


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable"])
def test_any_other_answer_is_not_and_names_path_port_and_status(status: str) -> None:
    with serving(answer(status)) as port:
        assert (
            http_probe("127.0.0.1", port, "/ready", 5) == f"GET /ready on port {port} answered {status[:3]}"
        )


def test_a_port_nobody_listens_on_is_said_so() -> None:
    port = free_port()
    assert http_probe("127.0.0.1", port, "/", 5) == f"port {port}: connection refused"


def test_silence_ends_with_the_time_out() -> None:
    with serving(None) as port:
        assert http_probe("127.0.0.1", port, "/", 0.05) == f"no answer from port {port} within 0.05 s"


def test_an_answer_that_drips_ends_with_the_time_out_too() -> None:
    with dripping() as port:
        assert http_probe("127.0.0.1", port, "/", 0.3) == f"no answer from port {port} within 0.3 s"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_so_does_one_to_a_proof_s_request(head: bytes) -> None:
    with dripping(head=head) as port:
        status, body, _, why = http_exchange("127.0.0.1", port, "POST", "/score", b"{}", 0.3)
    assert (status, body, why) == (0, b"", "timed out")


def test_an_address_that_swallows_connections_ends_with_the_time_out() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    with contextlib.ExitStack() as full:
        full.callback(listener.close)
        for _ in range(4):  # its queue is full: the kernel drops what comes now
            wire = full.enter_context(socket.socket())
            wire.setblocking(False)
            wire.connect_ex(("127.0.0.1", port))
        assert http_probe("127.0.0.1", port, "/", 0.3) == f"no answer from port {port} within 0.3 s"


def test_what_is_no_http_is_a_reason_not_an_exception() -> None:
    with serving(b"SSH-2.0-OpenSSH\r\n") as port:
        assert (http_probe("127.0.0.1", port, "/", 5) or "").startswith(f"port {port}: ")
