"""What does a pull look like on a bad line? A TCP proxy on a loopback port of its own, with a tap to turn."""

from __future__ import annotations

import contextlib
import socket
import threading

_CHUNK = 16 * 1024


class SlowProxy:
    """Forwards *port* to *upstream_port*; what comes down is limited to `bytes_per_s` (None: no limit)."""

    def __init__(self, upstream_port: int) -> None:
        self.bytes_per_s: int | None = None
        self.bytes_down = 0
        self._upstream_port = upstream_port
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name="slow-proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End every connection. Doing it again does nothing."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(5)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                down, _ = self._listener.accept()
                up = socket.create_connection(("127.0.0.1", self._upstream_port), timeout=10)
            except OSError:
                continue
            up.settimeout(None)
            self._connections |= {down, up}
            threading.Thread(target=self._copy, args=(down, up, False), daemon=True).start()
            threading.Thread(target=self._copy, args=(up, down, True), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, limited: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if limited:
                    self.bytes_down += len(chunk)
                    if self.bytes_per_s:
                        self._closing.wait(len(chunk) / self.bytes_per_s)
                sink.sendall(chunk)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            self._connections.discard(end)
            # the other thread may still be reading: closing twice is harmless, a leak is not
            end.close()
