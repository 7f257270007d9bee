"""The local API on its sockets: uvicorn's loop on a thread of the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvicorn

from edgetender.api.app import Trust, application
from edgetender.api.connection import Bounds, Connection
from edgetender.api.house import House
from edgetender.api.listeners import bind_tcp, bind_unix, group_id
from edgetender.secret import Secret

_GRACE_S = 1  # requests still under way are cut after this long
_DOORS = 3


class ApiServer:
    """Serves *house* on a unix socket of mode 0660, and, to look at, on another one and on a loopback address.

    *group* may give orders, *read_group* may look, at *read_socket* (None: there is none); *listen* ("": not at
    all) is for everybody on this machine, who may give a few orders there with the *token*.

    `bind` raises before any thread is started; `run` is a Worker's body; `stop` may be called from any thread
    and leaves no socket behind.
    """

    def __init__(
        self,
        house: House,
        *,
        socket_path: Path,
        group: str = "",
        read_socket: Path | None = None,
        read_group: str = "",
        listen: str = "",
        token: Callable[[], Secret] | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        bounds = bounds or Bounds()
        self._listen = listen
        orders, readers = (group_id(name) if name else None for name in (group, read_group))
        self._doors = {socket_path: orders}
        if read_socket is not None:
            self._doors[read_socket] = readers
        self._sockets: list[socket.socket] = []
        self._inodes: dict[Path, int] = {}
        self._port: int | None = None
        trust = Trust(os.geteuid(), orders, readers, token)
        self._streams = (trust.streams, trust.viewers)
        config = uvicorn.Config(
            application(house, trust, bounds),
            http=partial(Connection, bounds=bounds, read_only=read_socket),  # type: ignore[arg-type]  # it calls what it is given
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=_DOORS * (bounds.connections + 1),
            h11_max_incomplete_event_size=bounds.header_bytes,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config)

    def bind(self) -> None:
        """Raise AddressTaken when another daemon answers, or a place cannot be used."""
        try:
            for path, group in self._doors.items():
                self._sockets.append(bind_unix(path, group))
                self._inodes[path] = path.stat().st_ino
            if self._listen:
                self._sockets.append(bind_tcp(self._listen))
                self._port = self._sockets[-1].getsockname()[1]
        except BaseException:
            self._close()
            raise

    @property
    def port(self) -> int | None:
        """The loopback listener's port, once bound."""
        return self._port

    @property
    def connections(self) -> frozenset[object]:
        """Those that are open now."""
        return frozenset(self._server.server_state.connections)

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            self._server.run(sockets=self._sockets)
        finally:
            self._close()

    def stop(self) -> None:
        """Make `run` return, within about a second; requests under way are finished or cut."""
        self._server.end()
        for streams in self._streams:
            streams.end()

    def _close(self) -> None:
        for listener in self._sockets:
            listener.close()
        for path, inode in self._inodes.items():
            with contextlib.suppress(OSError):  # a successor's socket is not ours to remove
                if path.stat().st_ino == inode:
                    path.unlink()


class _Server(uvicorn.Server):
    """Is told that it is over; uvicorn's own looks ten times a second, a third of what a daemon costs at rest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # an end that came before this loop is seen here
            await self._over.wait()

    def end(self) -> None:
        """From any thread."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: it is over
                self._loop.call_soon_threadsafe(self._over.set)
