"""Other ways to a hub, as sites have them: a proxy (HTTP or SOCKS 5), and a door for WebSockets on port 443."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import select
import socket
import ssl
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from edgetender.fleet.hub.hub import PORT
from tests.services.hub import TestHub

WAIT_S = 10.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


class Detour(ABC):
    """Listens for a `with` block; each connection has threads of its own. *passed* is where they went."""

    def __init__(self, address: str, port: int) -> None:
        self._server = socket.create_server((address, port))
        self.port = int(self._server.getsockname()[1])
        self.passed: list[str] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @abstractmethod
    def meet(self, near: socket.socket) -> None:
        """Do what has to be done first, then relay. OSError and EOFError end the connection."""

    def relay(self, read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError):
            while body := read():
                write(body)

    def keep(self, one: socket.socket) -> socket.socket:
        self._open.append(one)
        return one

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self.keep(self._server.accept()[0])
                threading.Thread(target=self._begin, args=(near,), daemon=True).start()

    def _begin(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), near:
            self.meet(near)


class Proxy(Detour):
    """`http` (CONNECT) or `socks5`, without a password, on loopback."""

    def __init__(self, kind: str) -> None:
        super().__init__("127.0.0.1", 0)
        self._kind = kind
        self.address = f"{kind}://127.0.0.1:{self.port}"

    def meet(self, near: socket.socket) -> None:
        host, port = _by_connect(near) if self._kind == "http" else _by_socks(near)
        far = self.keep(socket.create_connection((host, port), WAIT_S))
        far.settimeout(None)
        self.passed.append(f"{host}:{port}")
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if self._kind == "http" else b"\5\0\0\1" + bytes(6))
        back = (lambda: far.recv(65536), near.sendall)
        threading.Thread(target=self.relay, args=back, daemon=True).start()
        self.relay(lambda: near.recv(65536), far.sendall)


class WebSocketDoor(Detour):
    """MQTT in WebSocket frames, TLS, port 443 of the hub's address: what the hub itself would do there."""

    def __init__(self, hub: TestHub) -> None:
        super().__init__(hub.address, 443)
        self._hub = hub
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(hub.pair.certificate, hub.pair.key)

    def meet(self, near: socket.socket) -> None:
        tls = self.keep(self._context.wrap_socket(near, server_side=True))
        head = _until(tls, b"\r\n\r\n").decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        fields = {name.lower(): value for name, value in lines.items()}
        digest = hashlib.sha1(fields["sec-websocket-key"].encode() + _GUID).digest()  # RFC 6455
        self.passed.append(f"{head.split()[1]} {fields['sec-websocket-protocol']}")
        tls.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        inside = ssl.create_default_context(cafile=self._hub.ca)
        inside.maximum_version = (
            ssl.TLSVersion.TLSv1_2
        )  # nothing comes that is no data: `_between` relies on it
        raw = socket.create_connection((self._hub.address, PORT), WAIT_S)
        far = self.keep(inside.wrap_socket(raw, server_hostname=self._hub.address))
        far.settimeout(None)
        _between(tls, far)


def _between(near: ssl.SSLSocket, far: ssl.SSLSocket) -> None:
    """Frames of *near* to *far* and back, on one thread: two at once on one TLS connection lose what they read."""
    while True:
        ready = [one for one in (near, far) if one.pending()] or select.select([near, far], [], [])[0]
        if near in ready:
            if not (body := _unframed(near)):
                return
            far.sendall(body)
        if far in ready:
            if not (body := far.recv(65536)):
                return
            near.sendall(_framed(body))


def _by_connect(near: socket.socket) -> tuple[str, int]:
    method, target, _ = _until(near, b"\r\n\r\n").decode().split("\r\n")[0].split()
    host, _, port = target.rpartition(":")
    if method != "CONNECT":
        raise EOFError
    return host, int(port)


def _by_socks(near: socket.socket) -> tuple[str, int]:
    """RFC 1928, no authentication."""
    _, methods = _exactly(near, 2)
    _exactly(near, methods)
    near.sendall(b"\5\0")
    *_, kind = _exactly(near, 4)
    host = socket.inet_ntoa(_exactly(near, 4)) if kind == 1 else _exactly(near, _exactly(near, 1)[0]).decode()
    return host, struct.unpack(">H", _exactly(near, 2))[0]


def _until(near: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        found += _exactly(near, 1)
    return found


def _exactly(near: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = near.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _unframed(near: socket.socket) -> bytes:
    """The next binary frame's bytes; nothing at the end."""
    head, size = _exactly(near, 2)
    size &= 127
    if size > 125:
        size = int.from_bytes(_exactly(near, 2 if size == 126 else 8), "big")
    mask = _exactly(near, 4)
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(_exactly(near, size)))
    return body if head & 15 in (0, 2) else b""


def _framed(body: bytes) -> bytes:
    size = len(body)
    return b"\x82" + (bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)) + body
