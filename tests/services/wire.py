"""The wire between a client and a broker, in the hands of a test: it can be cut, held, or speak an older MQTT."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Self

_CONNECT_5 = b"\x00\x04MQTT\x05"  # how the variable header of an MQTT 5 CONNECT begins
_CONNACK_UNACCEPTABLE = b"\x20\x02\x00\x01"  # what a broker of MQTT 3.1.1 answers to a CONNECT of MQTT 5


@dataclass
class Wire:
    """Relays *port* to *target*, both on loopback; for a `with` block.

    While `held`, what the far side says waits here. While `down`, nobody gets through. *refuses_5* is "says no"
    for a broker that answers a CONNECT of MQTT 5 as 3.1.1 prescribes, "hangs up" for one that does not answer.
    """

    target: int
    refuses_5: str = ""
    connections: int = 0
    refusals: int = 0
    _down: bool = False
    _flows: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._flows.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._spawn(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._down = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._flows.set()
        self._end_all()
        for thread in list(self._threads):
            thread.join(60)

    def cut(self) -> None:
        """End every connection without a word, and let nobody through until `mend`."""
        self._down = True
        self._end_all()

    def mend(self) -> None:
        self._down = False

    def drop(self) -> None:
        """End every connection without a word; whoever comes again gets through."""
        self._end_all()

    def hold(self) -> None:
        """From now on, what the far side says waits here."""
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    def _spawn(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._spawn(self._admit, near)

    def _admit(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._down:
                _reset(near)
                return
            first = near.recv(65536)
            if self.refuses_5 and _CONNECT_5 in first[:16]:
                self.refusals += 1
                near.sendall(_CONNACK_UNACCEPTABLE if self.refuses_5 == "says no" else b"")
                near.close()
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            far.sendall(first)
            with self._lock:
                self._open += [near, far]
                self.connections += 1
            self._spawn(self._pump, far, near, self._flows)
            self._pump(near, far, None)
            return
        near.close()

    def _pump(self, source: socket.socket, sink: socket.socket, gate: threading.Event | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if gate is not None:
                    gate.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _end_all(self) -> None:
        with self._lock:
            ended, self._open = self._open, []
        for end in ended:
            _reset(end)


def _reset(end: socket.socket) -> None:
    """What a power cut looks like: no goodbye, MQTT learns nothing."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()
