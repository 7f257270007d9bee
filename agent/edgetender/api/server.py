"""The local API on its sockets: uvicorn's loop on a thread of the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgetender.api.app import Trust, application
from edgetender.api.house import House
from edgetender.api.listeners import bind_tcp, bind_unix, group_id
from edgetender.api.peer import peer_of

_GRACE_S = 1  # requests still under way are cut after this long
_MAX_CONNECTIONS = 64


class _Protocol(H11Protocol):
    """uvicorn's protocol, with the peer of a unix socket in the state of each of its requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "peer": peer_of(transport.get_extra_info("socket"))}


class ApiServer:
    """Serves *house* on a unix socket of mode 0660 and, read-only, on a loopback address ("": not at all).

    `bind` raises before any thread is started; `run` is a Worker's body; `stop` may be called from any thread
    and leaves no socket behind.
    """

    def __init__(self, house: House, *, socket_path: Path, group: str = "", listen: str = "") -> None:
        self._path = socket_path
        self._listen = listen
        self._group = group_id(group) if group else None
        self._sockets: list[socket.socket] = []
        self._inode: int | None = None
        trust = Trust(os.geteuid(), self._group)
        self._streams = (trust.streams, trust.viewers)
        config = uvicorn.Config(
            application(house, trust),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = uvicorn.Server(config)

    def bind(self) -> None:
        """Raise AddressTaken when another daemon answers, or a place cannot be used."""
        self._sockets.append(bind_unix(self._path, self._group))
        self._inode = self._path.stat().st_ino
        if self._listen:
            try:
                self._sockets.append(bind_tcp(self._listen))
            except BaseException:
                self._close()
                raise

    @property
    def port(self) -> int | None:
        """The loopback listener's port, once bound."""
        return self._sockets[1].getsockname()[1] if len(self._sockets) > 1 else None

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            self._server.run(sockets=self._sockets)
        finally:
            self._close()

    def stop(self) -> None:
        """Make `run` return, within about a second; requests under way are finished or cut."""
        self._server.should_exit = True
        for streams in self._streams:
            streams.end()

    def _close(self) -> None:
        for listener in self._sockets:
            listener.close()
        with contextlib.suppress(OSError):  # a successor's socket is not ours to remove
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
