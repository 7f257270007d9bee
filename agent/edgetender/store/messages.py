"""How queued messages and their counters lie in `queue.db`: the SQL of the outbox, nothing decided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgetender.store.database import crc
from edgetender.store.tally import Tally

_ROW_BYTES = 64  # what a row costs beside its body: it keeps many empty messages within the quota, too
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A message that waits.

    *until* is the outbox's age, in seconds, at which it expires. *at* is the wall time its producer believed
    (seconds since 1970), *since_boot* what did not jump, in the boot that is called *boot*.
    """

    stream: str
    id: int
    topic: str
    body: bytes
    expiry_s: int | None
    until: float
    at: float
    boot: int
    since_boot: float

    @property
    def size(self) -> int:
        """What it counts for against the quota, in bytes."""
        return len(self.body) + len(self.topic) + _ROW_BYTES

    @property
    def key(self) -> tuple[str, int]:
        return self.stream, self.id


def read_tally(connection: sqlite3.Connection) -> Tally:
    """What was committed last; what is queued is counted anew, and *accepted* follows from the others."""
    saved = dict(connection.execute("SELECT name, value FROM counters").fetchall())
    queued = connection.execute("SELECT stream, count(*), sum(size) FROM queued GROUP BY stream").fetchall()
    return Tally.read(saved, queued)


def write_tally(connection: sqlite3.Connection, tally: Tally, before: Tally) -> None:
    """Only what changed: each row is part of a page that flash must take."""
    known = dict(before.rows())
    changed = [(name, value) for name, value in tally.rows() if known.get(name) != value]
    connection.executemany(
        # REPLACE would delete and insert, in the table and in its index: two pages more for the flash
        "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        changed,
    )


def newest_id(connection: sqlite3.Connection) -> int:
    (newest,) = connection.execute("SELECT max(id) FROM queued").fetchone()
    return newest or 0


def size_of(connection: sqlite3.Connection, stream: str, number: int) -> int | None:
    found = connection.execute(
        "SELECT size FROM queued WHERE stream = ? AND id = ?", (stream, number)
    ).fetchone()
    return found[0] if found else None


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    connection.executemany(
        "INSERT INTO queued (stream, id, topic, body, expiry_s, until, size, at, boot, since_boot, crc)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                row.stream, row.id, row.topic, row.body, row.expiry_s, row.until, row.size,
                row.at, row.boot, row.since_boot, _crc(row),
            )
            for row in rows
        ],
    )  # fmt: skip


def delete(connection: sqlite3.Connection, keys: Iterable[tuple[str, int]]) -> None:
    connection.executemany("DELETE FROM queued WHERE stream = ? AND id = ?", list(keys))


def oldest(connection: sqlite3.Connection, stream: str) -> Iterator[tuple[Row, bool]]:
    """Rows of a stream by age, each with whether it is as it was written."""
    after = -1
    while True:
        found = connection.execute(
            "SELECT id, topic, body, expiry_s, until, at, boot, since_boot, crc FROM queued"
            " WHERE stream = ? AND id > ? ORDER BY id LIMIT ?",
            (stream, after, _BATCH),
        ).fetchall()
        for number, topic, body, expiry_s, until, at, boot, since_boot, stored in found:
            after = number
            row = Row(stream, number, topic, body, expiry_s, until, at, boot, since_boot)
            yield row, _crc(row) == stored
        if len(found) < _BATCH:
            return


def first(connection: sqlite3.Connection, stream: str) -> tuple[int, float, float] | None:
    """(boot, since_boot, until) of a stream's oldest."""
    found: tuple[int, float, float] | None = connection.execute(
        "SELECT boot, since_boot, until FROM queued WHERE stream = ? ORDER BY id LIMIT 1", (stream,)
    ).fetchone()
    return found


def expired(connection: sqlite3.Connection, stream: str, age_s: float) -> list[tuple[int, int]]:
    """(id, size) of those among a stream's oldest that expired; the others are met when their turn comes."""
    return connection.execute(
        "SELECT id, size FROM (SELECT id, size, until FROM queued WHERE stream = ? ORDER BY id LIMIT ?)"
        " WHERE until <= ?",
        (stream, _BATCH, age_s),
    ).fetchall()


def sizes(connection: sqlite3.Connection, stream: str) -> list[tuple[int, int]]:
    """(id, size) of a stream's oldest."""
    return connection.execute(
        "SELECT id, size FROM queued WHERE stream = ? ORDER BY id LIMIT ?", (stream, _BATCH)
    ).fetchall()


def _crc(row: Row) -> int:
    return crc(row.topic, row.body, row.expiry_s or 0, row.until, row.at, row.boot, row.since_boot)
