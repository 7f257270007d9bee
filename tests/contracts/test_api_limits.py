"""What does it take to be served too late? Slow, large, many and malformed requests, at each door."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetender.api.connection import Bounds, Connection
from tests.fakes.house import FakeHouse
from tests.services.api import Served, served

FLOOD = 500


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Served]:
    with served(FakeHouse(), tmp_path / "admin.sock", listen="127.0.0.1:0") as running:
        yield running


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Served]:
    """The same, which gives nobody up for being slow: who waits for that waits longer than any test."""
    bounds = Bounds(header_s=3600, body_s=3600)
    with served(FakeHouse(), tmp_path / "admin.sock", listen="127.0.0.1:0", bounds=bounds) as running:
        yield running


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Served]:
    """The same, in less time than a test would like to wait."""
    with served(FakeHouse(), tmp_path / "admin.sock", bounds=Bounds(header_s=0.2, body_s=0.2)) as running:
        yield running


def opened(api: Served, *, tcp: bool) -> socket.socket:
    if not tcp:
        return api.connect()
    return socket.create_connection(("127.0.0.1", api.port or 0), timeout=60)


def is_ended(one: socket.socket) -> bool:
    one.settimeout(60)
    with contextlib.suppress(ConnectionError):
        while one.recv(4096):
            pass
    return True


@pytest.mark.parametrize("tcp", [False, True], ids=["admin", "loopback"])
def test_500_connections_that_say_nothing_or_half_of_it_keep_nobody_waiting(patient: Served, tcp: bool):
    api = patient
    held = []
    for number in range(FLOOD):
        one = opened(api, tcp=tcp)
        with contextlib.suppress(ConnectionError):
            if number % 2:
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        held.append(one)
    try:
        for ask in (api.ask, api.ask_tcp):
            assert [ask("/healthz").status for _ in range(10)] == [200] * 10
        there = [one for one in api.server.connections if isinstance(one, Connection)]
        assert max(sum(one.door == door for one in there) for door in {one.door for one in there}) <= (
            Bounds().connections
        )
    finally:
        for one in held:
            one.close()


def test_a_header_that_does_not_end_is_given_up(hasty: Served):
    with hasty.connect() as silent, hasty.connect() as slow, hasty.connect() as second:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        second.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert second.recv(4096).startswith(b"HTTP/1.1 200")
        second.sendall(b"GET /healthz HTT")  # the next request on a connection that was served
        assert is_ended(silent)
        assert is_ended(slow)
        assert is_ended(second)


def test_a_body_that_does_not_come_is_given_up(hasty: Served):
    with hasty.connect() as slow:
        slow.sendall(b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["endless", "in one piece"])
@pytest.mark.parametrize("tcp", [False, True], ids=["admin", "loopback"])
def test_a_header_that_is_too_long_is_refused(api: Served, tcp: bool, end: bytes):
    with opened(api, tcp=tcp) as one, contextlib.suppress(ConnectionError):
        long = b"x" * (2 * Bounds().header_bytes)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + long + end)
        assert one.recv(4096).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert api.ask("/healthz").status == 200


def test_requests_in_one_piece_are_answered_one_after_the_other(api: Served):
    with api.connect() as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        said = b""
        while said.count(b"HTTP/1.1 200") < 20:
            said += one.recv(65536)


@pytest.mark.parametrize(
    "garbage", [b"\0" * 4096, b"\xff\xfe" * 100 + b"\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 100]
)
def test_garbage_harms_nobody(api: Served, garbage: bytes):
    for tcp in (False, True):
        with opened(api, tcp=tcp) as one, contextlib.suppress(ConnectionError):
            one.sendall(garbage)
            one.shutdown(socket.SHUT_WR)
            is_ended(one)
    assert api.ask("/healthz").status == 200
