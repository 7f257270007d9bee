"""How is an answer read that may never end, so that it can be given up at any moment?

Pulls, events and followed logs block for as long as nothing happens, and the client library can neither be
interrupted there nor asked whether time has passed. So they are read here, by a socket of our own: a read
waits one tick at most, and an empty chunk says that a tick passed without a byte.

The request is HTTP/1.0 on purpose: the answer then comes as it is and ends with the connection, there are
no chunks to take apart (RFC 9112, section 6.1: no transfer coding is sent to an HTTP/1.0 client).
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

from edgetender.engine.outcomes import refusal, unreachable
from edgetender.errors import EngineDown

_RECEIVE_BYTES = 64 * 1024
_TICK_S = 0.5
_MOST_HEAD_BYTES = 64 * 1024
_HTTP_OK = 200


class Stream:
    """One request and its answer; close it, or use it with `with`. For one thread.

    Raises EngineDown when the engine cannot be reached or goes away before it answered.
    """

    def __init__(
        self,
        address: str,
        method: str,
        path: str,
        *,
        what: str,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._what = what
        self.status: int | None = None
        lines = [f"{method} {path} HTTP/1.0", "Host: engine", "Content-Length: 0"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            self._socket = _connect(address, timeout_s)
        except OSError as error:
            raise unreachable(what, error) from error
        try:
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
            self._socket.settimeout(_TICK_S)
        except OSError as error:
            self._socket.close()
            raise unreachable(what, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the request; the engine gives up a pull that nobody listens to any more."""
        self._socket.close()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes, b"" for each tick without a byte; after the head `status` is set."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self._receive()
            if piece is None:
                yield b""
                continue
            if not piece or len(head) > _MOST_HEAD_BYTES:
                raise EngineDown(f"cannot {self._what}: the engine hung up before it answered")
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        self.status = self._status(head)
        if body:
            yield body
        while (piece := self._receive()) != b"":
            yield piece or b""

    def lines(self) -> Iterator[bytes]:
        """The body in lines, b"" for each tick without a byte (empty lines are left out)."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            if not chunk:
                yield b""
            yield from (line for line in whole if line.strip())
        if rest.strip():
            yield rest

    def whole(self, timeout_s: float) -> bytes:
        """The body of an answer that ends. Raises EngineDown when it takes longer than *timeout_s*."""
        parts: list[bytes] = []
        deadline = time.monotonic() + timeout_s
        for chunk in self.chunks():
            parts.append(chunk)
            if time.monotonic() > deadline:
                why = f"no full answer in {timeout_s:g} s"
                raise EngineDown(f"cannot {self._what}: {why}") from TimeoutError(why)
        return b"".join(parts)

    def refused(self) -> bool:
        return self.status is not None and self.status != _HTTP_OK

    def _status(self, head: bytes) -> int:
        match head.split(None, 2):
            case [version, status, *_] if version.startswith(b"HTTP/") and status.isdigit():
                return int(status)
        raise EngineDown(f"cannot {self._what}: what answers speaks no HTTP; is it an engine's socket?")

    def _receive(self) -> bytes | None:
        try:
            return self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return None
        except OSError as error:
            raise unreachable(self._what, error) from error


def ask(address: str, path: str, *, what: str, timeout_s: float) -> dict[str, Any]:
    """The JSON object that answers a GET. Raises EngineDown, and what `refusal` makes of an error."""
    with Stream(address, "GET", path, what=what, timeout_s=timeout_s) as stream:
        body = stream.whole(timeout_s)
        if stream.refused():
            raise refusal(what, stream.status or 0, message_in(body))
    with contextlib.suppress(ValueError):
        answer = json.loads(body)
        if isinstance(answer, dict):
            return answer
    raise EngineDown(f"cannot {what}: the answer is no JSON object; is an engine behind {address}?")


def message_in(body: bytes) -> str:
    """The words of an error answer: its `message`, or the text as it is."""
    with contextlib.suppress(ValueError):
        answer = json.loads(body)
        if isinstance(answer, dict) and answer.get("message"):
            return str(answer["message"])
    return body.decode(errors="replace").strip()


def _connect(address: str, timeout_s: float) -> socket.socket:
    if address.startswith(("unix://", "/")):
        wire = socket.socket(socket.AF_UNIX)
        try:
            wire.settimeout(timeout_s)
            wire.connect(address.removeprefix("unix://"))
        except OSError:
            wire.close()
            raise
        return wire
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise OSError(f"{address!r} is no address of an engine; write it like unix:///run/docker.sock")
    return socket.create_connection((host, port), timeout=timeout_s)
