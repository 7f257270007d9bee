"""What waits to go up, in `queue.db`: the newest state per topic, and bounded streams of messages.

Flash wears: a standard stream is kept in memory and committed in groups, after 10 s or 256 KiB at the latest,
if it was not sent before; while the link is up, its messages never touch the disk. A durable one is committed
before `append` returns; who appends meanwhile shares the next commit. A few new messages are committed to the
spool; anything else, or a full spool, to the database: rows, deletions and counters are one transaction, so that
after a kill accepted = delivered + queued + dropped holds again for each stream; what was delivered since goes twice.

Ages go by a clock that does not jump: a device that boots in 1970 must not lose its queue to that; messages
made before it learned the date are stamped anew.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from datetime import datetime
from pathlib import Path

from edgetender.clock import Clock, SystemClock
from edgetender.errors import DiskFull
from edgetender.model.upstream import Message, OutboxFigures, default_policy, stream_of
from edgetender.store import messages, room
from edgetender.store.arrivals import Arrivals
from edgetender.store.boot import boot_number
from edgetender.store.database import open_database
from edgetender.store.packs import Row
from edgetender.store.restamping import restamped
from edgetender.store.schema import QUEUE
from edgetender.store.sharing import Policies, shares
from edgetender.store.spool import Spool
from edgetender.store.states import States
from edgetender.store.young import Young

MAX_BYTES = 256 * 1024 * 1024
GROUP_S = 10.0
_GROUP_BYTES = 256 * 1024
_YOUNG_BYTES = 1024 * 1024  # in memory at most, while the disk is full or slow
_GONE = 64  # rows done with but still on the disk, before they are deleted in one go
_JOURNAL_BYTES = 1024 * 1024
_PAGE_BYTES = 1024  # a transaction writes whole pages


class SqliteOutbox:
    """The Outbox on SQLite and a spool beside it. *lost* says what opening found damaged, None when all was well.

    A full disk is no error here: the newest messages stay in memory, older ones are dropped and counted, and
    *trouble* says why. Raises StoreDamaged where the disk fails.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = MAX_BYTES,
        policies: Policies = default_policy,
        group_s: float = GROUP_S,
        clock: Clock | None = None,
        boot: int | None = None,
    ) -> None:
        """Raises Permanent, DiskFull."""
        self._clock, self._boot = clock or SystemClock(), boot_number() if boot is None else boot
        self._bounds = room.Bounds(max_bytes, policies)
        self._policies, self._group_s = policies, group_s
        self._lock = threading.Lock()
        self._database, self.lost = open_database(
            path, QUEUE, now=self._clock.now(), journal_bytes=_JOURNAL_BYTES, page_bytes=_PAGE_BYTES
        )
        self.trouble: str | None = None
        self._young = Young()
        self._gone: dict[tuple[str, int], None] = {}  # done with, still on the disk
        self._due: float | None = None  # when something waits for its commit: at what age
        try:
            messages.take_over(self._database)
            with self._database.reading() as connection:
                self._tally = messages.read_tally(connection)
                self._states = States.read(connection)
                self._settled = messages.newest_id(connection)  # no message up to this one needs a commit
                self._spool = Spool(path.with_suffix(".spool"), messages.read_epoch(connection))
            self._committed = self._tally.copy()
            self._take_back()
        except BaseException:
            self._database.close()
            raise
        self._arrivals = Arrivals(self._settled + 1)
        self._born = self._clock.monotonic() - self._tally.age_s

    def put_state(self, topic: str, body: bytes) -> bool:
        """As the port says. Committed before `head` hands it out: who starts anew puts it anew."""
        with self._lock:
            if self._states.put(topic, body):
                self._wait_at_most()
            return self._states.pending(topic)

    def append(
        self, topic: str, body: bytes, now: datetime, *, expiry_s: int | None = None, durable: bool = False
    ) -> bool:
        """As the port says; else it is on the disk *group_s* later, if somebody calls `head` or `flush_due` then."""
        policy = self._policies(stream := stream_of(topic))
        durable = durable or policy.durable
        since_boot = self._clock.monotonic()
        lifetime_s = policy.max_age_s if expiry_s is None else min(policy.max_age_s, expiry_s)
        broker_s = policy.expiry_s if expiry_s is None else expiry_s
        row, arrived_bytes = self._arrivals.add(
            lambda number: Row(
                stream, number, topic, body, broker_s, since_boot - self._born + lifetime_s,
                now.timestamp(), self._boot, since_boot,
            )
        )  # fmt: skip
        if not self._lock.acquire(blocking=durable or arrived_bytes > _YOUNG_BYTES):
            return True  # who holds it takes this in, or who comes next
        try:
            self._take_in()
            if (durable and row.id > self._settled) or self._is_due() or self._is_crowded():
                self._flush()
            return self.trouble is None or not durable
        finally:
            self._lock.release()

    def head(self, limit: int = 20) -> tuple[Message, ...]:
        """State first; then a fair share of each stream, each in its order."""
        with self._lock:
            self._take_in()
            if self._is_due() or self._states.unsafe:
                self._flush()
            states = self._states.waiting()[:limit]
            found = self._next(limit - len(states))
            if not states and not found and self._gone:
                self._flush()  # drained: a kill hours later shall not send all of it once more
            return (*states, *found)

    def sent(self, message: Message, *, taken: bool = True) -> None:
        with self._lock:
            if message.retain:
                if self._states.acknowledge(message.topic, message.body):
                    self._wait_at_most()
            else:
                stream = stream_of(message.topic)
                if (size := self._release((stream, message.id))) is not None:
                    (self._tally.deliver if taken else self._tally.refuse)(stream, size)
            if len(self._gone) >= _GONE:
                self._flush()

    def resend_states(self) -> None:
        with self._lock:
            self._states.doubt_all()

    def figures(self) -> OutboxFigures:
        with self._lock:
            self._take_in()
            waited = {stream: self._waited_s(stream) for stream in self._tally.waiting()}
            return self._tally.figures(waited)

    def flush_due(self) -> None:
        """Commit what has waited for its time; costs nothing when nothing has. For a caller with a tick."""
        with self._lock:
            self._take_in()
            if self._is_due():
                self._flush()

    def close(self) -> None:
        """What a full disk does not take is lost."""
        try:
            self.flush()
        finally:
            self._spool.close()
            self._database.close()

    def flush(self) -> None:
        """Commit everything to the database now."""
        with self._lock:
            self._take_in()
            self._settle()

    def _take_back(self) -> None:
        """What lies in the spool alone."""
        rows, whole = self._spool.read()
        for row in rows:
            self._tally.accept(row.stream, row.size)
            self._young.add(row)
        self._young.spooled()
        self._settled = max(self._settled, self._young.newest())
        self._tally.age_s = max(self._tally.age_s, self._spool.age_s)
        self.lost = self.lost or (None if whole else "queue.spool was damaged: some messages are lost")

    def _take_in(self) -> None:
        """What arrived becomes accepted, in its order."""
        for row in self._arrivals.take():
            self._tally.accept(row.stream, row.size)
            if row.size > self._bounds.most(row.stream):  # making room for it would cost everything else
                self._tally.drop(row.stream, row.size, "oversized")
                continue
            self._young.add(row)
            due = row.since_boot - self._born + self._group_s
            self._due = due if self._due is None else min(self._due, due)

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
        return self._young.size > _GROUP_BYTES or self._bounds.exceeded(self._tally)

    def _release(self, key: tuple[str, int]) -> int | None:
        """Take a message out of the queue and return its size; None when it is not (any more) in it."""
        if (row := self._young.pop(key[1])) is not None:
            if self._young.is_spooled(row):
                self._gone[key] = None
                self._wait_at_most()
            self._is_due()  # with nothing left to commit the wait is over
            return row.size
        if key in self._gone:
            return None
        with self._database.reading() as connection:
            size = messages.size_of(connection, *key)
        if size is not None:
            self._gone[key] = None
            self._wait_at_most()
        return size

    def _next(self, limit: int) -> tuple[Message, ...]:
        """The next messages; those that expired or were damaged on the way here are dropped."""
        found: list[Row] = []
        wanted = shares(self._tally.waiting(), lambda stream: self._policies(stream).priority, limit)
        for stream, count in wanted.items():
            good, useless = self._oldest(stream, count)
            found += good
            for row, reason in useless:
                if (size := self._release(row.key)) is not None:
                    self._tally.drop(stream, size, reason)
        return tuple(self._message(row) for row in sorted(found, key=lambda row: row.id))

    def _oldest(self, stream: str, count: int) -> tuple[list[Row], list[tuple[Row, str]]]:
        """The next *count* rows of a stream, and those before them that are of no use, each with the reason."""
        with self._database.reading() as connection:
            on_disk = (pair for pair in messages.oldest(connection, stream) if pair[0].key not in self._gone)
            return room.sifted(itertools.chain(on_disk, self._young.of(stream)), count, self._age_s())

    def _message(self, row: Row) -> Message:
        body = restamped(row, self._clock.now(), self._boot, self._clock.monotonic())
        return Message(row.topic, body, id=row.id, expiry_s=row.expiry_s)

    def _waited_s(self, stream: str) -> float:
        """How long the oldest has waited; of another boot, as long as this one lasts."""
        good, useless = self._oldest(stream, 1)
        now = self._clock.monotonic()
        for row in (*(row for row, _ in useless), *good):
            return max(0.0, now - row.since_boot) if row.boot == self._boot else now
        return 0.0

    def _flush(self) -> None:
        """Commit: new messages alone, and few, to the spool."""
        fresh = self._young.fresh()
        alone = fresh and not (self._gone or self._states.unsaved or self._is_crowded())
        if alone and self._spool.append(fresh, self._age_s()):
            self.trouble, self._due = None, None
            self._young.spooled()
            self._settled = fresh[-1].id
        else:
            self._settle()

    def _settle(self) -> None:
        """One transaction: what came, what went, what has to go for want of room, states and counters."""
        tally = self._tally.copy()
        tally.age_s = self._age_s()
        epoch = secrets.randbits(48) if self._spool.used or self._spool.epoch is None else None
        try:
            with self._database.transaction() as connection:
                messages.delete(connection, self._gone)
                messages.insert(connection, self._young.all())
                room.expire(connection, tally)
                self._bounds.keep(connection, tally)
                self._states.save(connection)
                messages.write_tally(connection, tally, self._committed)
                if epoch is not None:
                    messages.write_epoch(connection, epoch)
        except DiskFull as error:
            self.trouble = str(error)
            self._due = self._age_s() + max(1.0, self._group_s)
            for row in self._young.shed(_YOUNG_BYTES, self._policies):
                self._tally.drop(row.stream, row.size, "disk_full")
            return
        if epoch is not None:
            self._spool.begin(epoch)
        self.trouble, self._due = None, None
        self._tally, self._committed = tally, tally.copy()
        self._settled = max(self._settled, self._young.newest())
        self._young.clear()
        self._gone.clear()
        self._states.saved()
