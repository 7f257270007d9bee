"""How do lines that come when they come reach a reader who may leave at any time?"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from edgetender.errors import AgentError

_MAX_STREAMS = 8
_MAX_WAITING = 256  # lines read ahead of a slow reader
_LOOK_S = 0.5


class Streams:
    """The log streams under way, at most 8.

    Each is read on a thread of its own that does not keep the process alive: a container that says nothing
    blocks its reader for as long as it is silent, and SIGTERM must not wait for that.
    """

    def __init__(self, most: int = _MAX_STREAMS) -> None:
        self._places = threading.Semaphore(most)
        self._ends: set[Callable[[], None]] = set()

    def admit(self) -> bool:
        """Take a place, if there is one; `chunks` gives it back."""
        return self._places.acquire(blocking=False)

    def end(self) -> None:
        """Let every stream end after what it has read so far. From any thread."""
        for one in tuple(self._ends):
            one()

    async def chunks(self, lines: Iterator[str]) -> AsyncIterator[bytes]:
        """*lines* as UTF-8 with line ends. Closes *lines* when nobody reads on."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[str | None] = asyncio.Queue()
        room = threading.Semaphore(_MAX_WAITING)
        gone = threading.Event()

        def deliver(line: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the daemon ends
                loop.call_soon_threadsafe(arrived.put_nowait, line)

        def end() -> None:
            deliver(None)

        reader = threading.Thread(
            target=self._read, args=(lines, deliver, room, gone), name="logs", daemon=True
        )
        self._ends.add(end)
        reader.start()
        try:
            while (line := await arrived.get()) is not None:
                room.release()
                yield f"{line}\n".encode(errors="replace")
        finally:
            self._ends.discard(end)
            gone.set()
            close(lines)

    def _read(
        self,
        lines: Iterator[str],
        deliver: Callable[[str | None], None],
        room: threading.Semaphore,
        gone: threading.Event,
    ) -> None:
        try:
            for line in lines:
                while not room.acquire(timeout=_LOOK_S):
                    if gone.is_set():
                        return
                if gone.is_set():
                    return
                deliver(line)
        except AgentError as error:
            if not gone.is_set():
                deliver(f"edgetender: {error}")
        finally:
            self._places.release()
            deliver(None)


class Closing(Iterator[str]):
    """*lines* made of *source*: closing them closes that, which a generator in between could not pass on."""

    def __init__(self, lines: Iterator[str], source: object) -> None:
        self._lines, self._source = lines, source

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        closing = getattr(self._source, "close", None)
        if closing is not None:
            closing()


def close(lines: Iterator[str]) -> None:
    """Tell *lines*, where it can be told, that nobody reads on."""
    closing = getattr(lines, "close", None)
    if closing is not None:
        with contextlib.suppress(
            ValueError
        ):  # a generator that is running on its thread ends with its next line
            closing()
