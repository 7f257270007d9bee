"""How queued messages and their counters lie in `queue.db`: the SQL of the outbox, nothing decided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgetender.model.upstream import Message, OutboxFigures
from edgetender.store.database import crc

_ROW_BYTES = 64  # what a row costs beside its body: it keeps many empty messages within the quota, too
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A message that waits; *until* is the outbox's age, in seconds, at which it expires."""

    id: int
    topic: str
    body: bytes
    expiry_s: int | None
    until: float

    @property
    def urgent(self) -> bool:
        """Events are durable at once and dropped last; telemetry neither."""
        return not self.topic.startswith("telemetry/")

    @property
    def size(self) -> int:
        """What it counts for against the quota, in bytes."""
        return len(self.body) + len(self.topic) + _ROW_BYTES

    @property
    def message(self) -> Message:
        return Message(self.topic, self.body, id=self.id, expiry_s=self.expiry_s)


@dataclass(slots=True)
class Counters:
    """accepted = delivered + queued + dropped, at every commit. *age_s* is how long the agent ran in all."""

    accepted: int = 0
    delivered: int = 0
    dropped: int = 0
    age_s: float = 0.0
    queued: int = 0
    queued_bytes: int = 0

    def figures(self) -> OutboxFigures:
        return OutboxFigures(self.queued, self.queued_bytes, self.accepted, self.delivered, self.dropped)

    def accept(self, size: int) -> None:
        self.accepted += 1
        self.queued += 1
        self.queued_bytes += size

    def deliver(self, size: int) -> None:
        self.delivered += 1
        self.queued -= 1
        self.queued_bytes -= size

    def drop(self, size: int) -> None:
        self.dropped += 1
        self.queued -= 1
        self.queued_bytes -= size


def read_counters(connection: sqlite3.Connection) -> Counters:
    """What was committed last; *queued* is counted anew, and *accepted* follows from the others."""
    saved = dict(connection.execute("SELECT name, value FROM counters").fetchall())
    queued, queued_bytes = connection.execute("SELECT count(*), total(size) FROM messages").fetchone()
    delivered, dropped = int(saved.get("delivered", 0)), int(saved.get("dropped", 0))
    return Counters(
        accepted=delivered + dropped + queued,
        delivered=delivered,
        dropped=dropped,
        age_s=saved.get("age_s", 0.0),
        queued=queued,
        queued_bytes=int(queued_bytes),
    )


def write_counters(connection: sqlite3.Connection, counters: Counters) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)",
        [("delivered", counters.delivered), ("dropped", counters.dropped), ("age_s", counters.age_s)],
    )


def newest_id(connection: sqlite3.Connection) -> int:
    (newest,) = connection.execute("SELECT max(id) FROM messages").fetchone()
    return newest or 0


def size_of(connection: sqlite3.Connection, number: int) -> int | None:
    found = connection.execute("SELECT size FROM messages WHERE id = ?", (number,)).fetchone()
    return found[0] if found else None


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    connection.executemany(
        "INSERT INTO messages (id, topic, priority, body, expiry_s, until, size, crc)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (row.id, row.topic, int(row.urgent), row.body, row.expiry_s, row.until, row.size, _crc(row))
            for row in rows
        ],
    )


def delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    connection.executemany("DELETE FROM messages WHERE id = ?", [(number,) for number in numbers])


def oldest(connection: sqlite3.Connection) -> Iterator[tuple[Row, bool]]:
    """Rows by age, each with whether it is as it was written."""
    after = -1
    while True:
        found = connection.execute(
            "SELECT id, topic, body, expiry_s, until, crc FROM messages WHERE id > ? ORDER BY id LIMIT ?",
            (after, _BATCH),
        ).fetchall()
        for number, topic, body, expiry_s, until, stored in found:
            after = number
            row = Row(number, topic, body, expiry_s, until)
            yield row, _crc(row) == stored
        if len(found) < _BATCH:
            return


def expired(connection: sqlite3.Connection, age_s: float) -> list[tuple[int, int]]:
    """(id, size) of those among the oldest that expired; the others are met when their turn comes."""
    return connection.execute(
        "SELECT id, size FROM (SELECT id, size, until FROM messages ORDER BY id LIMIT ?) WHERE until <= ?",
        (_BATCH, age_s),
    ).fetchall()


def cheapest(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """(id, size) of the first to be dropped for want of room: telemetry, then events, the oldest of each."""
    return connection.execute(
        "SELECT id, size FROM messages ORDER BY priority, id LIMIT ?", (_BATCH,)
    ).fetchall()


def _crc(row: Row) -> int:
    return crc(row.topic, row.body, row.expiry_s or 0, row.until)
