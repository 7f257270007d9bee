"""How do modules' messages come in? Over a unix socket for each container, into the outbox, then acknowledged.

Who sends is known by the door: each container is shown its own alone, so that no module can speak for another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from edgetender.clock import Clock, rfc3339
from edgetender.errors import EngineRefused
from edgetender.ingest.request import Refused, answer, head_of, messages_in
from edgetender.model.observed import Observed
from edgetender.model.pacing import Bucket, take
from edgetender.ports import Outbox

log = logging.getLogger(__name__)

SOCKET = "messages.sock"
BURST_S = 10.0
_HEAD_BYTES = 8 * 1024
_CONNECTIONS = 8  # of one container, at once
_PATIENCE_S, _LINGER_S = 10.0, 1.0
_WRITERS = 4  # threads that may wait for the disk; who waits with others shares a commit
_DURABLE_EXPIRY_S = 7 * 86400
_FOLDER, _FILE = 0o755, 0o666  # for whichever user the image runs as; on the device, *root* keeps others out


@dataclass(slots=True, eq=False)
class _Door:
    """One container's. *open* are the connections that it has now; *ended* is of the serving loop."""

    module: str
    streams: dict[str, str]
    listener: socket.socket
    open: int = 0
    ended: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one module may send: messages *per_second*, each of *max_bytes*."""

    per_second: float = 10.0
    max_bytes: int = 64 * 1024

    @property
    def at_once(self) -> int:
        return max(1, int(self.per_second * BURST_S))


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
    ) -> None:
        """*refused* is told of each request that is not taken: whose, and why."""
        self._refused = refused
        self._root, self._outbox, self._clock, self._limits = root, outbox, clock, limits or Limits()
        self._changing = threading.Lock()
        self._doors: dict[str, _Door] = {}
        self._seen: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._ending: asyncio.Event | None = None
        self._buckets: dict[str, Bucket] = {}  # by module; of the serving thread alone
        self._tasks: set[asyncio.Future[None]] = set()
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="ingest")

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
            self._writers.shutdown(wait=False, cancel_futures=True)
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
        if door.ended is not None:
            door.ended.set()

    def _serve(self, door: _Door) -> None:
        """On the serving thread."""
        door.ended = asyncio.Event()
        task = asyncio.ensure_future(self._served(door, door.ended))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _served(self, door: _Door, ended: asyncio.Event) -> None:
        async with await asyncio.start_unix_server(
            partial(self._connected, door), sock=door.listener, limit=_HEAD_BYTES
        ):
            await ended.wait()

    async def _connected(
        self, door: _Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        door.open += 1
        try:
            said, whole = await self._answered(door, reader, writer)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    writer.write(said)
                    await writer.drain()
                if not whole and door.open <= _CONNECTIONS:
                    await _hear_out(reader, writer)
        finally:
            door.open -= 1
            writer.close()

    async def _answered(
        self, door: _Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[bytes, bool]:
        """What is said to one request, and whether it was read to its end."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                count = await self._taken(door, reader, writer)
            return answer(HTTPStatus.ACCEPTED, {"accepted": count}), True
        except Refused as refused:
            found = refused
        except TimeoutError:
            found = Refused(408, "request.slow", f"not done within {_PATIENCE_S:g} s")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b"", True
        except Exception:  # our own bug, or a damaged disk: the module asks again, the agent goes on
            log.exception("messages not taken", extra={"fields": {"module": door.module}})
            found = Refused(500, "agent.fault", "a fault of the agent's own", retry_s=30)
        self._refused(door.module, found.code)
        return found.answer, False

    async def _taken(self, door: _Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """How many messages one request brought; they are where their stream's kind says. Raises Refused."""
        if door.open > _CONNECTIONS:
            raise Refused(503, "agent.busy", f"more than {_CONNECTIONS} connections at once", retry_s=1)
        try:
            head = head_of((await reader.readuntil(b"\r\n\r\n"))[:-4], door.streams)
        except asyncio.LimitOverrunError:
            raise Refused(431, "request.large", f"a head has at most {_HEAD_BYTES} bytes") from None
        if head.expects:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(head.length)
        limits = self._limits
        found = messages_in(body, lines=head.lines, max_bytes=limits.max_bytes, most=limits.at_once)
        self._pace(door.module, len(found))
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._writers, self._queue, door, head.stream, found):
            raise Refused(503, "disk.full", "the disk is full; it is kept, but not safe yet", retry_s=30)
        return len(found)

    def _pace(self, module: str, count: int) -> None:
        """Take *count* from the module's bucket. Raises Refused, and takes nothing, when there are not so many."""
        now, limit = self._clock.monotonic(), self._limits.per_second
        bucket, wait_s = take(self._buckets.get(module), now, limit, count, burst_s=BURST_S)
        if wait_s > 0:
            raise Refused(429, "module.rate", f"more than {limit:g} messages a second", retry_s=wait_s)
        self._buckets[module] = bucket

    def _queue(self, door: _Door, stream: str, found: Sequence[bytes]) -> bool:
        """Queue them in their order; of a durable stream with one commit. Return whether they are safe as promised."""
        now = self._clock.now()
        durable = door.streams[stream] == "durable"
        expiry_s = _DURABLE_EXPIRY_S if durable else None
        safe = True
        for number, one in enumerate(found, 1):
            body = b'{"at":"%s","data":%s}' % (rfc3339(now).encode(), one)
            last = durable and number == len(found)
            topic = f"telemetry/{door.module}/{stream}"
            safe = self._outbox.append(topic, body, now, expiry_s=expiry_s, durable=last)
        return safe


async def _hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let who was refused finish its sentence: its next write would fail, and it would not read why."""
    writer.write_eof()
    async with asyncio.timeout(_LINGER_S):
        while await reader.read(65536):
            pass
