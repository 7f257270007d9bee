"""How often did this agent fail by itself, one time after the other? Kept in a file until a run lasts."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from edgetender import durable
from edgetender.clock import Clock
from edgetender.decide.events import holds_between
from edgetender.decide.safe_mode import Failed, held_back, once_more, safe_mode
from edgetender.errors import AgentError, DiskFull
from edgetender.eventlog import EventLog
from edgetender.ports import Store

log = logging.getLogger(__name__)

STABLE_S = 60.0


class Crashes:
    """Around one run of the daemon: a failure is written down at its end, a good end or a minute clears the file.

    A kill is neither: whose doing it was is not known here. *fatal* is what the threads failed with. Without
    a file that can be read or written nothing is counted. Threads: the main one.
    """

    def __init__(self, file: Path, boot: int, clock: Clock, fatal: list[BaseException]) -> None:
        self._file, self._boot, self._clock, self._fatal = file, boot, clock, fatal
        self._began = clock.monotonic()
        self._failed = _read(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, AgentError):  # what a person must repair before it can start
            return
        why = error or next(iter(self._fatal), None)
        if why is None:
            self._clear()
            return
        failed = once_more(self._failed, self._boot, _told(why))
        try:
            durable.replace(
                self._file, json.dumps([failed.boot, failed.times, failed.why]).encode(), mode=0o600
            )
        except OSError:
            log.warning("a failure could not be counted", exc_info=True)

    def goes_on(self) -> None:
        """The loop is alive: after each cycle."""
        if self._clock.monotonic() - self._began >= STABLE_S:
            self._clear()

    def hold_back(self, store: Store, events: EventLog, now: datetime) -> None:
        """Before the loop begins: have the ledger in safe mode where it must be, and tell it."""
        before = store.ledger()
        after = held_back(before, self._failed, self._boot, now)
        if after == before:
            return
        log.error("safe mode", extra={"fields": {"why": safe_mode(after)}})
        try:
            store.commit(after)
        except DiskFull as error:
            log.error("safe mode could not be written down", extra={"fields": {"why": str(error)}})  # noqa: TRY400
            return
        for event, said in holds_between(before, after):
            events.tell(event, said, now)

    def _clear(self) -> None:
        if not self._failed.times:
            return
        self._failed = Failed()
        try:
            self._file.unlink(missing_ok=True)
        except OSError:
            log.warning("failures are still counted", exc_info=True)


def _told(error: BaseException) -> str:
    """Of which kind it was, and where. Not its words, which the log has: this goes further than the log."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (
        f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    )


def _read(file: Path) -> Failed:
    try:
        boot, times, why = json.loads(file.read_text())
        return Failed(int(boot), int(times), str(why))
    except (OSError, ValueError, TypeError):
        return Failed()
