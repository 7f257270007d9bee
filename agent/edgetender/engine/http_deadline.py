"""One request over HTTP that ends in time as a whole, however slowly its answer drips."""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any


class DeadlineConnection(http.client.HTTPConnection):
    """Raises TimeoutError *timeout_s* after it was made. The standard library bounds each read alone."""

    def __init__(self, address: str, port: int, timeout_s: float) -> None:
        super().__init__(address, port, timeout=timeout_s)
        self._until = time.monotonic() + timeout_s

    def connect(self) -> None:
        super().connect()
        self.sock = wire = _Wire(self.sock, self._until)
        wire.hurry()


class _Wire(socket.socket):
    """A connected socket whose every read gets what is left of the time."""

    def __init__(self, connected: socket.socket, until: float) -> None:
        super().__init__(fileno=connected.detach())
        self._until = until

    def recv_into(self, *args: Any) -> int:
        self.hurry()
        return super().recv_into(*args)

    def hurry(self) -> None:
        """Wait no longer than until the end for what is next. Raises TimeoutError after it."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left_s)
