"""One connection of a module: a request is read, weighed, written down, and answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from edgetender.clock import Clock, rfc3339
from edgetender.errors import DiskFull
from edgetender.ingest.request import Refused, answer, delay_in, head_of, messages_in
from edgetender.model.pacing import Bucket, take
from edgetender.ports import Outbox

log = logging.getLogger(__name__)

BURST_S = 10.0
_HEAD_BYTES = 8 * 1024
_LINGER_S = 1.0
_WRITERS = 4  # threads that may wait for the disk; who waits with others shares a commit
_DURABLE_EXPIRY_S = 7 * 86400

Streams = Mapping[str, str]  # by name, the kind
Delayed = Callable[[str, Mapping[str, object]], None]  # a module, its wish; written down when it returns
Heard = Callable[[str, Sequence[bytes]], None]  # a module, what it sent and was taken


@dataclass(frozen=True, slots=True)
class Limits:
    """What one module may send: messages *per_second*, each of *max_bytes*, a request within *patience_s*."""

    per_second: float = 10.0
    max_bytes: int = 64 * 1024
    patience_s: float = 10.0

    @property
    def at_once(self) -> int:
        return max(1, int(self.per_second * BURST_S))


class Taker:
    """What modules may send is counted by module. `talk` is called on one loop.

    *refused* hears whose request is not taken, and why; *delayed* which module wants its update to wait; *heard* what
    is taken.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        limits: Limits,
        refused: Callable[[str, str], None],
        delayed: Delayed,
        heard: Heard,
    ) -> None:
        self._outbox, self._clock, self._limits = outbox, clock, limits
        self._refused, self._delayed, self._heard = refused, delayed, heard
        self._buckets: dict[str, Bucket] = {}
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="ingest")

    def close(self) -> None:
        """Put nothing more into the outbox but what is on its way."""
        self._writers.shutdown(wait=False, cancel_futures=True)

    async def talk(self, module: str, streams: Streams, connection: socket.socket) -> bool:
        """Serve the one request of *connection* and close it; return whether all of it was taken. Raises OSError."""
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=_HEAD_BYTES)
        try:
            said, well = await self._answered(module, streams, reader, writer)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(self._limits.patience_s):
                    writer.write(said)
                    await writer.drain()
                if not well:
                    await _hear_out(reader, writer)
            return well
        finally:
            writer.close()

    async def _answered(
        self, module: str, streams: Streams, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[bytes, bool]:
        """What is said to one request, and whether all of it was taken."""
        try:
            async with asyncio.timeout(self._limits.patience_s):
                count = await self._taken(module, streams, reader, writer)
            return answer(HTTPStatus.ACCEPTED, {"accepted": count}), True
        except Refused as refused:
            found = refused
        except TimeoutError:
            found = Refused(408, "request.slow", f"not done within {self._limits.patience_s:g} s")
        except DiskFull as error:
            found = Refused(503, error.code, str(error), retry_s=30)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b"", False
        except Exception:  # our own bug, or a damaged disk: the module asks again, the agent goes on
            log.exception("messages not taken", extra={"fields": {"module": module}})
            found = Refused(500, "agent.fault", "a fault of the agent's own", retry_s=30)
        self._refused(module, found.code)
        return found.answer, False

    async def _taken(
        self, module: str, streams: Streams, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> int:
        """How many messages one request brought; they are where their stream's kind says. A wish is one.

        Raises Refused, and DiskFull for a wish that could not be written down.
        """
        try:
            head = head_of((await reader.readuntil(b"\r\n\r\n"))[:-4], streams)
        except asyncio.LimitOverrunError:
            raise Refused(431, "request.large", f"a head has at most {_HEAD_BYTES} bytes") from None
        if head.expects:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(head.length)
        limits, loop = self._limits, asyncio.get_running_loop()
        if not head.stream:
            wish = delay_in(body)
            self._pace(module, 1)
            await loop.run_in_executor(self._writers, self._delayed, module, wish)
            return 1
        found = messages_in(body, lines=head.lines, max_bytes=limits.max_bytes, most=limits.at_once)
        self._pace(module, len(found))
        topic, durable = f"telemetry/{module}/{head.stream}", streams[head.stream] == "durable"
        if not await loop.run_in_executor(self._writers, self._queue, topic, found, durable):
            raise Refused(503, "disk.full", "the disk is full; it is kept, but not safe yet", retry_s=30)
        self._heard(module, found)
        return len(found)

    def _pace(self, module: str, count: int) -> None:
        """Take *count* from the module's bucket. Raises Refused, and takes nothing, when there are not so many."""
        now, limit = self._clock.monotonic(), self._limits.per_second
        bucket, wait_s = take(self._buckets.get(module), now, limit, count, burst_s=BURST_S)
        if wait_s > 0:
            raise Refused(429, "module.rate", f"more than {limit:g} messages a second", retry_s=wait_s)
        self._buckets[module] = bucket

    def _queue(self, topic: str, found: Sequence[bytes], durable: bool) -> bool:
        """Queue them in their order; if *durable* with one commit. Return whether they are as safe as promised."""
        now = self._clock.now()
        expiry_s = _DURABLE_EXPIRY_S if durable else None
        safe = True
        for number, one in enumerate(found, 1):
            body = b'{"at":"%s","data":%s}' % (rfc3339(now).encode(), one)
            last = durable and number == len(found)
            safe = self._outbox.append(topic, body, now, expiry_s=expiry_s, durable=last)
        return safe


async def _hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let who was refused finish its sentence: its next write would fail, and it would not read why."""
    writer.write_eof()
    async with asyncio.timeout(_LINGER_S):
        while await reader.read(65536):
            pass
