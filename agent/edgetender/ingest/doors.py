"""How do modules' messages come in? Over a unix socket for each container, into the outbox, then acknowledged.

Who sends is known by the door: each container is shown its own alone, so that no module can speak for another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender.clock import Clock
from edgetender.errors import EngineRefused
from edgetender.ingest.taking import Delayed, Heard, Limits, Taker
from edgetender.model.observed import Observed
from edgetender.ports import Outbox

log = logging.getLogger(__name__)

SOCKET = "messages.sock"
_CONNECTIONS = 8  # of one container, at once
_PENALTY_S, _AGAIN_S = 0.25, 1.0
_FOLDER, _FILE = 0o755, 0o666  # for whichever user the image runs as; on the device, *root* keeps others out


@dataclass(slots=True, eq=False)
class _Door:
    """One container's. *places* is how many more connections may be served now; both are the serving loop's."""

    module: str
    streams: dict[str, str]
    listener: socket.socket
    places: asyncio.Semaphore | None = None
    serving: asyncio.Task[None] | None = None


class Doors:
    """Keeps the engine's Doors port below *root*, which lies in memory and is this daemon's alone (0700).

    Threads: `open`, `close` and `keep` from the loop's, `run` is a Worker's body, `stop` from any.
    """

    def __init__(
        self,
        root: Path,
        outbox: Outbox,
        clock: Clock,
        limits: Limits | None = None,
        refused: Callable[[str, str], None] = lambda _module, _code: None,
        delayed: Delayed = lambda _module, _wish: None,
        heard: Heard = lambda _module, _messages: None,
    ) -> None:
        """*refused* is told of each request that is not taken: whose, and why; *delayed* of each wish, *heard* of all
        messages that are taken."""
        self._root = root
        self._taker = Taker(outbox, clock, limits or Limits(), refused, delayed, heard)
        self._changing = threading.Lock()
        self._doors: dict[str, _Door] = {}
        self._seen: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._ending: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio alone would forget them

    def open(self, name: str, module: str, streams: Sequence[tuple[str, str]]) -> Path:
        place = self._root / name
        path = place / SOCKET
        with self._changing:
            if name in self._doors and path.exists():
                return path
            try:
                listener = self._listener(place)
            except OSError as error:
                why = f"cannot take messages from {module} at {place}: {error.strerror or error}"
                raise EngineRefused(f"{why}; may this user write to {self._root}?") from error
            self._leave(self._doors.pop(name, None))
            self._doors[name] = door = _Door(module, dict(streams), listener)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._serve, door)
        return path

    def close(self, name: str) -> None:
        with self._changing:
            self._leave(self._doors.pop(name, None))
            self._seen.discard(name)
        shutil.rmtree(self._root / name, ignore_errors=True)

    def keep(self, observed: Observed) -> None:
        """Have a door for each container that runs, as after a restart of the agent, and none for those that went."""
        if observed.engine_down is not None:
            return
        for one in observed.containers:
            if one.streams and one.running:
                try:
                    self.open(one.name, one.module, one.streams)
                except EngineRefused as error:
                    log.warning("messages", extra={"fields": {"why": str(error)}})
        here = {one.name for one in observed.containers if one.streams}
        for name in self._seen - here:
            self.close(name)
        self._seen |= here

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            asyncio.run(self._run())
        finally:
            self._taker.close()
            with self._changing:
                for door in self._doors.values():
                    door.listener.close()

    def stop(self) -> None:
        """Make `run` return; folders stay, for the containers run on and the next agent opens them anew."""
        with self._changing:
            self._stopping.set()
            if self._loop is not None and self._ending is not None:
                self._loop.call_soon_threadsafe(self._ending.set)

    async def _run(self) -> None:
        self._ending = asyncio.Event()
        with self._changing:
            self._loop = asyncio.get_running_loop()
            doors = tuple(self._doors.values())
        for door in doors:
            self._serve(door)
        if not self._stopping.is_set():
            await self._ending.wait()
        with self._changing:
            self._loop = None

    def _listener(self, place: Path) -> socket.socket:
        """Bound in *place*, by its descriptor: the path itself may be longer than a socket's address."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.chmod(0o700)
        place.mkdir(exist_ok=True)
        place.chmod(_FOLDER)
        (place / SOCKET).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
            (place / SOCKET).chmod(_FILE)
            listener.listen(_CONNECTIONS)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(folder)
        listener.setblocking(False)
        return listener

    def _leave(self, door: _Door | None) -> None:
        """Nobody new comes in; called with the lock held."""
        if door is None:
            return
        if self._loop is None:
            door.listener.close()
        else:
            self._loop.call_soon_threadsafe(self._end, door)

    @staticmethod
    def _end(door: _Door) -> None:
        if door.serving is not None:
            door.serving.cancel()

    def _serve(self, door: _Door) -> None:
        """On the serving thread."""
        door.places = asyncio.Semaphore(_CONNECTIONS)
        door.serving = self._begun(self._served(door, door.places))

    def _begun(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _served(self, door: _Door, places: asyncio.Semaphore) -> None:
        """Nobody is let in while all places are taken: who sends too much waits at its own door."""
        loop = asyncio.get_running_loop()
        with door.listener:
            while True:
                await places.acquire()
                try:
                    connection, _ = await loop.sock_accept(door.listener)
                except OSError as error:  # no descriptor is left: later, perhaps
                    log.warning("messages", extra={"fields": {"module": door.module, "why": str(error)}})
                    loop.call_later(_AGAIN_S, places.release)
                    continue
                self._begun(self._connected(door, places, connection))

    async def _connected(self, door: _Door, places: asyncio.Semaphore, connection: socket.socket) -> None:
        kept_s = _PENALTY_S
        try:
            if await self._taker.talk(door.module, door.streams, connection):
                kept_s = 0.0
        except OSError:
            connection.close()
        finally:
            # refusing takes work too: who is refused comes back a little later
            asyncio.get_running_loop().call_later(kept_s, places.release)
