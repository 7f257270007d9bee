"""One HTTP request over a unix socket, by hand.

http.client costs 25 ms of every command's start, for what HTTP/1.0 says in two lines: after the head,
the body lasts until the server closes.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

_MAX_HEAD = 64 * 1024


class Malformed(OSError):
    """What came back is no HTTP: something else listens there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, and the body to be read."""

    status: int
    body: BinaryIO


@contextmanager
def request(
    path: str, method: str, target: str, body: bytes = b"", *, timeout_s: float | None
) -> Iterator[Answer]:
    """Send one request to the socket at *path*. Raises OSError; *timeout_s* bounds each silence."""
    with connected(path, timeout_s) as connection, exchange(connection, method, target, body) as answer:
        yield answer


@contextmanager
def connected(path: str, timeout_s: float | None) -> Iterator[socket.socket]:
    """A connection to the unix socket at *path*. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        yield connection


@contextmanager
def exchange(connection: socket.socket, method: str, target: str, body: bytes) -> Iterator[Answer]:
    """Send one request on *connection*, which is used up by it. Raises OSError."""
    head = f"{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode("ascii") + body)
    with connection.makefile("rb") as stream:
        yield Answer(_status(stream), stream)


def _status(stream: BinaryIO) -> int:
    first = stream.readline(_MAX_HEAD).split(maxsplit=2)
    if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or not first[1].isdigit():  # noqa: PLR2004
        raise Malformed("what answers there does not speak HTTP")
    left = _MAX_HEAD
    while (line := stream.readline(_MAX_HEAD)) not in (b"\r\n", b"\n"):
        left -= len(line)
        if not line or left < 0:
            raise Malformed("the answer broke off")
    return int(first[1])
