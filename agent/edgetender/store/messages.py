"""How queued messages and their counters lie in `queue.db`: the SQL of the outbox, nothing decided.

A row of `packs` is up to 64 messages of one stream, in their order; `first` is the number of the first it ever had.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edgetender.store.database import Database, crc
from edgetender.store.packs import Row, pack, parted, unpack
from edgetender.store.tally import Tally

_BATCH = 100
_INSERT = "INSERT INTO packs (stream, first, messages, size, body, crc) VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class _Pack:
    stream: str
    first: int
    messages: int
    size: int
    body: bytes
    stored: int

    def rows(self) -> tuple[tuple[Row, bool], ...]:
        """Its messages, each with whether it is as it was written.

        Of a damaged pack, stand-ins that cost what was lost: as many, as large, their numbers of its own.
        """
        try:
            if self.stored == _crc(self.stream, self.first, self.messages, self.size, self.body):
                return tuple((row, True) for row in unpack(self.body))
        except ValueError:
            pass
        return tuple(
            (Row(self.stream, self.first + index, "", b"", None, 0.0, 0.0, 0, 0.0), False)
            for index in range(self.messages)
        )

    def sizes(self) -> list[tuple[int, int]]:
        """(id, size) of each of its messages."""
        rows = self.rows()
        if all(intact for _, intact in rows):
            return [(row.id, row.size) for row, _ in rows]
        each, rest = divmod(self.size, self.messages)
        return [(row.id, each + (rest if index == 0 else 0)) for index, (row, _) in enumerate(rows)]


def read_tally(connection: sqlite3.Connection) -> Tally:
    """What was committed last; what is queued is counted anew, and *accepted* follows from the others."""
    saved = dict(connection.execute("SELECT name, value FROM counters").fetchall())
    queued = connection.execute(
        "SELECT stream, sum(messages), sum(size) FROM packs GROUP BY stream"
    ).fetchall()
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


def read_epoch(connection: sqlite3.Connection) -> int | None:
    """Of which the spool's records count; None where none was ever named."""
    found = connection.execute("SELECT value FROM counters WHERE name = 'epoch'").fetchone()
    return int(found[0]) if found else None


def write_epoch(connection: sqlite3.Connection, epoch: int) -> None:
    connection.execute("INSERT OR REPLACE INTO counters (name, value) VALUES ('epoch', ?)", (epoch,))


def newest_id(connection: sqlite3.Connection) -> int:
    """No message has a higher one."""
    found = connection.execute("SELECT stream, max(first) FROM packs GROUP BY stream").fetchall()
    last = [
        row.id
        for stream, first in found
        for each in _packs(connection, stream, first)
        for row, _ in each.rows()
    ]
    return max(last, default=0)


def size_of(connection: sqlite3.Connection, stream: str, number: int) -> int | None:
    holder = _holder(connection, stream, number)
    return dict(holder.sizes()).get(number) if holder else None


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """*rows* are newer than all of their streams."""
    by_stream: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_stream[row.stream].append(row)
    for stream, found in by_stream.items():
        for part in parted(found):
            about = (stream, part[0].id, len(part), sum(row.size for row in part), pack(part))
            connection.execute(_INSERT, (*about, _crc(*about)))


def delete(connection: sqlite3.Connection, keys: Iterable[tuple[str, int]]) -> None:
    """Whole packs go; of one that keeps some, what it keeps is written anew."""
    by_stream: dict[str, set[int]] = defaultdict(set)
    for stream, number in keys:
        by_stream[stream].add(number)
    for stream, numbers in by_stream.items():
        left = numbers
        while left and (holder := _holder(connection, stream, max(left))):
            _take_out(connection, holder, left)
            left = {number for number in left if number < holder.first}


def _take_out(connection: sqlite3.Connection, holder: _Pack, numbers: set[int]) -> None:
    going = [(number, size) for number, size in holder.sizes() if number in numbers]
    if not going:
        return
    if len(going) == holder.messages:
        connection.execute("DELETE FROM packs WHERE first = ?", (holder.first,))
        return
    kept = [row for row, intact in holder.rows() if intact and row.id not in numbers]
    about = (holder.messages - len(going), holder.size - sum(size for _, size in going))
    body = pack(kept) if kept else holder.body
    # a damaged one stays damaged: its checksum is the one that did not match
    checksum = _crc(holder.stream, holder.first, *about, body) if kept else holder.stored
    connection.execute(
        "UPDATE packs SET messages = ?, size = ?, body = ?, crc = ? WHERE first = ?",
        (*about, body, checksum, holder.first),
    )


def oldest(connection: sqlite3.Connection, stream: str) -> Iterator[tuple[Row, bool]]:
    """Messages of a stream by age, each with whether it is as it was written."""
    for each in _packs(connection, stream, -1):
        yield from each.rows()


def expired(connection: sqlite3.Connection, stream: str, age_s: float) -> list[tuple[int, int]]:
    """(id, size) of those among a stream's oldest that expired; the others are met when their turn comes."""
    for each in _packs(connection, stream, -1):
        known = dict(each.sizes())
        return [(row.id, known[row.id]) for row, intact in each.rows() if intact and row.until <= age_s]
    return []


def sizes(connection: sqlite3.Connection, stream: str) -> list[tuple[int, int]]:
    """(id, size) of a stream's oldest."""
    found: list[tuple[int, int]] = []
    for each in _packs(connection, stream, -1):
        found += each.sizes()
        if len(found) >= _BATCH:
            break
    return found


def take_over(database: Database) -> None:
    """Pack what an older edgetender queued one by one, some at a time: it may be as much as the disk has room for."""
    with database.reading() as connection:
        (more,) = connection.execute("SELECT EXISTS (SELECT 1 FROM queued)").fetchone()
    while more:
        with database.transaction() as connection:
            more = _take_some(connection)


def _take_some(connection: sqlite3.Connection) -> bool:
    """Pack some of what an older edgetender queued one by one; whether there was any."""
    found = connection.execute(
        "SELECT stream, id, topic, body, expiry_s, until, at, boot, since_boot, crc FROM queued"
        " ORDER BY id LIMIT 1000"
    ).fetchall()
    for intact, run in itertools.groupby(found, _is_intact):
        rows = [Row(*columns) for *columns, _ in run]
        if intact:
            insert(connection, rows)
        else:  # they are dropped and counted when their turn comes
            broken = [(row.stream, row.id, 1, row.size, b"", -1) for row in rows]
            connection.executemany(_INSERT, broken)
    connection.executemany("DELETE FROM queued WHERE id = ?", [(number,) for _, number, *_ in found])
    return bool(found)


def _is_intact(queued: tuple[Any, ...]) -> bool:
    *_, topic, body, expiry_s, until, at, boot, since_boot, stored = queued
    return bool(crc(topic, body, expiry_s or 0, until, at, boot, since_boot) == stored)


def _packs(connection: sqlite3.Connection, stream: str, first: int) -> Iterator[_Pack]:
    """Those of a stream from *first* on, read one by one: who deletes meanwhile does not disturb."""
    while found := connection.execute(
        "SELECT first, messages, size, body, crc FROM packs WHERE stream = ? AND first >= ? ORDER BY first LIMIT 1",
        (stream, first),
    ).fetchone():
        yield _Pack(stream, *found)
        first = found[0] + 1


def _holder(connection: sqlite3.Connection, stream: str, number: int) -> _Pack | None:
    found = connection.execute(
        "SELECT first, messages, size, body, crc FROM packs WHERE stream = ? AND first <= ?"
        " ORDER BY first DESC LIMIT 1",
        (stream, number),
    ).fetchone()
    return _Pack(stream, *found) if found else None


def _crc(stream: str, first: int, messages: int, size: int, body: bytes) -> int:
    return crc(stream, first, messages, size, body)
