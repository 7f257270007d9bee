"""What waits to go up, in `queue.db`: the newest state per topic, and a bounded queue of messages.

Flash wears: telemetry is kept in memory and committed in groups, after 10 s or 256 KiB at the latest, if it
was not sent before; while the link is up, a message of telemetry never touches the disk. Events are committed
before `append` returns. What one commit writes (rows, deletions, counters) is one transaction, so that after a
kill accepted = delivered + queued + dropped holds again; what was delivered since then goes up once more.

Ages count the time the agent ran, by a clock that does not jump: a device that boots in 1970 and learns the
date later must not lose its queue to that.
"""

from __future__ import annotations

import dataclasses
import itertools
import sqlite3
import threading
from datetime import datetime
from pathlib import Path
from typing import Self

from edgetender.clock import Clock, SystemClock
from edgetender.errors import DiskFull
from edgetender.model.upstream import Message, OutboxFigures
from edgetender.store import messages
from edgetender.store.database import open_database
from edgetender.store.messages import Counters, Row
from edgetender.store.schema import QUEUE
from edgetender.store.states import States

MAX_BYTES = 32 * 1024 * 1024
MAX_AGE_S = 7 * 86400.0
GROUP_S = 10.0
_GROUP_BYTES = 256 * 1024
_YOUNG_BYTES = 1024 * 1024  # in memory at most, while the disk is full
_GONE = 100  # rows done with but still on the disk, before they are deleted in one go
_JOURNAL_BYTES = 4 * 1024 * 1024


class SqliteOutbox:
    """The Outbox on SQLite. *lost* says what opening it found damaged, None when all was well.

    A full disk is no error here: the newest messages stay in memory, the oldest of them are dropped and
    counted, and *trouble* says why. Raises StoreDamaged where the disk fails.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        group_s: float = GROUP_S,
        clock: Clock | None = None,
    ) -> None:
        """*group_s* 0 commits each message before `append` returns. Raises Permanent, DiskFull."""
        self._clock = clock or SystemClock()
        self._max_bytes, self._max_age_s, self._group_s = max_bytes, max_age_s, group_s
        self._lock = threading.Lock()
        self._database, self.lost = open_database(
            path, QUEUE, now=self._clock.now(), journal_bytes=_JOURNAL_BYTES
        )
        self.trouble: str | None = None
        self._young: list[Row] = []  # accepted, not on the disk yet
        self._gone: set[int] = set()  # done with, still on the disk
        self._due: float | None = None  # when something waits for its commit: at what age
        try:
            with self._database.reading() as connection:
                self._counters = messages.read_counters(connection)
                self._states = States.read(connection)
                self._next = messages.newest_id(connection) + 1
        except BaseException:
            self._database.close()
            raise
        self._born = self._clock.monotonic() - self._counters.age_s

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        clock: Clock | None = None,
    ) -> tuple[Self, str | None]:
        """The outbox, and what was lost."""
        outbox = cls(path, max_bytes=max_bytes, max_age_s=max_age_s, clock=clock)
        return outbox, outbox.lost

    def put_state(self, topic: str, body: bytes) -> bool:
        """As the port says. Committed before `head` hands it out: who starts anew puts it anew."""
        with self._lock:
            if self._states.put(topic, body):
                self._wait_at_most()
            return self._states.pending(topic)

    def append(
        self,
        topic: str,
        body: bytes,
        now: datetime,  # noqa: ARG002  # ages go by a clock that does not jump
        *,
        expiry_s: int | None = None,
    ) -> None:
        """Queue it; an event is on the disk when this returns, telemetry *group_s* later at the latest.

        That limit is kept by whoever calls next: `append`, `head`, or `flush_due`.
        """
        with self._lock:
            lifetime_s = self._max_age_s if expiry_s is None else min(self._max_age_s, expiry_s)
            row = Row(self._next, topic, body, expiry_s, self._age_s() + lifetime_s)
            self._next += 1
            self._counters.accept(row.size)
            if row.size > self._max_bytes:  # making room for it would cost everything else
                self._counters.drop(row.size)
                return
            self._young.append(row)
            self._wait_at_most()
            if row.urgent or self._is_due() or self._is_crowded():
                self._flush()

    def head(self, limit: int = 20) -> tuple[Message, ...]:
        with self._lock:
            if self._is_due() or self._states.unsafe:
                self._flush()
            states = self._states.waiting()[:limit]
            found = self._oldest(limit - len(states))
            if not states and not found and self._gone:
                self._flush()  # drained: a kill hours later shall not send all of it once more
            return (*states, *found)

    def sent(self, message: Message) -> None:
        with self._lock:
            if message.retain:
                if self._states.acknowledge(message.topic, message.body):
                    self._wait_at_most()
            elif (size := self._release(message.id)) is not None:
                self._counters.deliver(size)
            if len(self._gone) >= _GONE:
                self._flush()

    def resend_states(self) -> None:
        with self._lock:
            self._states.doubt_all()

    def figures(self) -> OutboxFigures:
        with self._lock:
            return self._counters.figures()

    def flush_due(self) -> None:
        """Commit what has waited for its time; costs nothing when nothing has. For a caller with a tick."""
        with self._lock:
            if self._is_due():
                self._flush()

    def flush(self) -> None:
        """Commit everything now."""
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Commit everything and close; what a full disk does not take is lost."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _age_s(self) -> float:
        return self._clock.monotonic() - self._born

    def _wait_at_most(self) -> None:
        if self._due is None:
            self._due = self._age_s() + self._group_s

    def _is_due(self) -> bool:
        if not (self._young or self._gone or self._states.unsaved):
            self._due = None
        return self._due is not None and self._age_s() >= self._due

    def _is_crowded(self) -> bool:
        young_bytes = sum(row.size for row in self._young)
        return young_bytes > _GROUP_BYTES or self._counters.queued_bytes > self._max_bytes

    def _release(self, number: int) -> int | None:
        """Take a message out of the queue and return its size; None when it is not (any more) in it."""
        for place, row in enumerate(self._young):
            if row.id == number:
                del self._young[place]
                self._is_due()  # with nothing left to commit the wait is over
                return row.size
        if number in self._gone:
            return None
        with self._database.reading() as connection:
            size = messages.size_of(connection, number)
        if size is not None:
            self._gone.add(number)
            self._wait_at_most()
        return size

    def _oldest(self, limit: int) -> tuple[Message, ...]:
        """The next messages; those that expired or were damaged on the way here are dropped."""
        found: list[Message] = []
        useless: list[int] = []
        with self._database.reading() as connection:
            on_disk = (pair for pair in messages.oldest(connection) if pair[0].id not in self._gone)
            for row, intact in itertools.chain(on_disk, ((row, True) for row in self._young)):
                if len(found) >= limit:
                    break
                if intact and row.until > self._age_s():
                    found.append(row.message)
                else:
                    useless.append(row.id)
        for number in useless:
            if (size := self._release(number)) is not None:
                self._counters.drop(size)
        return tuple(found)

    def _flush(self) -> None:
        """One transaction: what came, what went, what has to go for want of room, states and counters."""
        counters = dataclasses.replace(self._counters, age_s=self._age_s())
        try:
            with self._database.transaction() as connection:
                messages.delete(connection, self._gone)
                messages.insert(connection, self._young)
                self._expire(connection, counters)
                self._make_room(connection, counters)
                self._states.save(connection)
                messages.write_counters(connection, counters)
        except DiskFull as error:
            self.trouble = str(error)
            self._due = self._age_s() + max(1.0, self._group_s)
            self._trim_young()
            return
        self.trouble, self._due = None, None
        self._counters = counters
        self._young.clear()
        self._gone.clear()
        self._states.saved()

    def _expire(self, connection: sqlite3.Connection, counters: Counters) -> None:
        while expired := messages.expired(connection, counters.age_s):
            for _, size in expired:
                counters.drop(size)
            messages.delete(connection, [number for number, _ in expired])

    def _make_room(self, connection: sqlite3.Connection, counters: Counters) -> None:
        while counters.queued_bytes > self._max_bytes:
            dropped = []
            for number, size in messages.cheapest(connection):
                if counters.queued_bytes <= self._max_bytes:
                    break
                dropped.append(number)
                counters.drop(size)
            messages.delete(connection, dropped)

    def _trim_young(self) -> None:
        """While nothing can be written: keep the newest, and events longest."""
        surplus = sum(row.size for row in self._young) - _YOUNG_BYTES
        for row in sorted(self._young, key=lambda row: (row.urgent, row.id)):
            if surplus <= 0:
                return
            self._young.remove(row)
            self._counters.drop(row.size)
            surplus -= row.size
