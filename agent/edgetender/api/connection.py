"""How long and how large may one connection be, and how many at once? uvicorn's protocol, with bounds and a peer.

Whoever opens connections and says nothing takes nobody's place: at the bound the oldest of those that wait for a
request to begin makes room. Each door has its own bound, so that what happens on one leaves the others alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from edgetender.api.peer import peer_of


@dataclass(frozen=True, slots=True)
class Bounds:
    """*connections* at each door; *header_s* from the first byte, or from the connection on, to the header's end."""

    connections: int = 64
    header_bytes: int = 16 * 1024
    header_s: float = 5.0
    body_s: float = 10.0


class Connection(H11Protocol):
    """On the loop's thread. The peer of a unix socket, and whether its door only reads, are in the request's state."""

    def __init__(self, *given: Any, bounds: Bounds, read_only: Path | None, **named: Any) -> None:
        super().__init__(*given, **named)
        self._bounds, self._read_only, self.door, self.born = bounds, read_only, "", self.loop.time()
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        self.door = str(connected.getsockname())
        reads = self._read_only is not None and self.door == str(self._read_only)
        self.app_state = {**self.app_state, "peer": peer_of(connected), "reads": reads}
        self._make_room()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether no request is under way."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def _watch(self) -> None:
        if not self.waits:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(self._bounds.header_s, self.transport.abort)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _make_room(self) -> None:
        here = [one for one in self.connections if isinstance(one, Connection) and one.door == self.door]
        if len(here) <= self._bounds.connections:
            return
        waiting = [one for one in here if one.waits and one is not self]
        oldest = min(waiting, key=lambda one: one.born, default=self)
        oldest.transport.abort()
