"""What the agent knows across restarts: the ledger, what arrived, the history, in `state.db`."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from edgetender.clock import Clock, SystemClock
from edgetender.errors import DiskFull
from edgetender.model.edition import Edition
from edgetender.model.ledger import Decision, Delivery, HistoryEntry, Ledger
from edgetender.store import ledger_json
from edgetender.store.database import crc, open_database
from edgetender.store.reserve import Reserve
from edgetender.store.schema import STATE

T = TypeVar("T")

UNDECIDED_KEPT = 200
DECIDED_KEPT = 200
HISTORY_KEPT = 50
BODIES_KEPT = 20
_JOURNAL_BYTES = 1024 * 1024


class SqliteStore:
    """The Store on SQLite. *lost* says what opening it found damaged, None when all was well.

    One process at a time: the ledger is read once and then kept in memory. A row whose checksum does not fit
    is left out and named in *lost*; an unreadable file is set aside and begun anew.
    """

    def __init__(self, path: Path, clock: Clock | None = None, *, reserve_bytes: int = 0) -> None:
        """*reserve_bytes* are kept free beside it, for a full disk.

        Raises Permanent for a file of a newer edgetender, or one we may not open; DiskFull.
        """
        clock = clock or SystemClock()
        self._database, lost = open_database(path, STATE, now=clock.now(), journal_bytes=_JOURNAL_BYTES)
        try:
            with self._database.reading() as connection:
                self._ledger, damaged = _read_ledger(connection)
            damaged += self._condemn_damaged_deliveries() + self._drop_damaged_history()
        except BaseException:
            self._database.close()
            raise
        if damaged:
            lost = f"{path.name}: damaged and left out: {', '.join(damaged)}"
        self.lost: str | None = lost
        self._reserve = Reserve(path.with_name("reserve"), reserve_bytes)

    @classmethod
    def open(
        cls, path: Path, clock: Clock | None = None, *, reserve_bytes: int = 0
    ) -> tuple[Self, str | None]:
        """The store, and what was lost."""
        store = cls(path, clock, reserve_bytes=reserve_bytes)
        return store, store.lost

    def close(self) -> None:
        self._database.close()

    def deliver(self, kind: str, source: str, body: bytes, now: datetime) -> int:
        received_at = now.isoformat()

        def write(connection: sqlite3.Connection) -> int:
            inserted = connection.execute(
                "INSERT INTO deliveries (kind, source, received_at, body, crc) VALUES (?, ?, ?, ?, ?)",
                (kind, source, received_at, body, crc(kind, source, received_at, body)),
            )
            _bound_undecided(connection)
            return inserted.lastrowid or 0

        return self._written(write)

    def deliveries(self) -> tuple[Delivery, ...]:
        return tuple(delivery for delivery, intact in self._undecided() if intact)

    def ledger(self) -> Ledger:
        return self._ledger

    def commit(
        self, ledger: Ledger, *, decisions: Iterable[Decision] = (), history: Iterable[HistoryEntry] = ()
    ) -> None:
        """All or nothing, and only what changed is written. Raises DiskFull, StoreDamaged."""
        changed = [
            (section, ledger_json.dump(getattr(ledger, section)))
            for section in ledger_json.SECTIONS
            if getattr(ledger, section) != getattr(self._ledger, section)
        ]
        decisions, history = tuple(decisions), tuple(history)
        if not (changed or decisions or history):
            self._ledger = ledger
            return

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO ledger (section, body, crc) VALUES (?, ?, ?)",
                [(section, body, crc(section, body)) for section, body in changed],
            )
            for decision in decisions:
                _decide(connection, decision)
            if history:
                _enter(connection, history)

        self._written(write)
        self._ledger = ledger

    def decision(self, delivery: int) -> Decision | None:
        """None while it waits, and for one that is unknown or long past."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT decision FROM deliveries WHERE id = ?", (delivery,)).fetchone()
        if row is None or row[0] is None:
            return None
        try:
            decided: Decision = ledger_json.load(Decision, row[0])
        except ValueError:
            return None
        return decided

    def history(self, limit: int = HISTORY_KEPT) -> tuple[HistoryEntry, ...]:
        return tuple(entry for _, entry in self._entries(limit) if entry is not None)

    def _written(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Carry *write* out, all or nothing; where the disk is full, once more in the room that was kept."""
        try:
            with self._database.transaction() as connection:
                done = write(connection)
        except DiskFull:
            if not self._reserve.give_up():
                raise
            with self._database.transaction() as connection:
                return write(connection)
        self._reserve.take()
        return done

    def _undecided(self) -> list[tuple[Delivery, bool]]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, kind, source, received_at, body, crc FROM deliveries"
                " WHERE decision IS NULL ORDER BY id"
            ).fetchall()
        return [_delivery(row) for row in rows]

    def _condemn_damaged_deliveries(self) -> list[str]:
        damaged = [delivery.id for delivery, intact in self._undecided() if not intact]
        if damaged:
            with self._database.transaction() as connection:
                for number in damaged:
                    _decide(
                        connection, Decision(number, 500, "damaged on disk before it was read; send it again")
                    )
        return [f"delivery {number}" for number in damaged]

    def _drop_damaged_history(self) -> list[str]:
        damaged = [edition for edition, entry in self._entries(HISTORY_KEPT) if entry is None]
        if damaged:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM versions WHERE epoch = ? AND version = ?", damaged)
        return [f"history of version {version}" for _, version in damaged]

    def _entries(self, limit: int) -> list[tuple[Edition, HistoryEntry | None]]:
        """Newest first, None for one that is damaged."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT epoch, version, entry, crc, body, body_crc FROM versions"
                " ORDER BY epoch DESC, version DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [((epoch, version), _entry(*row)) for epoch, version, *row in rows]


def _read_ledger(connection: sqlite3.Connection) -> tuple[Ledger, list[str]]:
    values, damaged = {}, []
    for section, body, stored in connection.execute("SELECT section, body, crc FROM ledger"):
        if section not in ledger_json.SECTIONS:
            continue  # of a newer release of the same schema
        try:
            if crc(section, body) != stored:
                raise ValueError("checksum")  # noqa: TRY301  # both kinds of damage end the same way
            values[section] = ledger_json.load_section(section, body)
        except ValueError:
            damaged.append(f"ledger {section}")
    return ledger_json.with_floor_held(Ledger(**values)), damaged


def _delivery(row: tuple[int, str, str, str, bytes, int]) -> tuple[Delivery, bool]:
    number, kind, source, received_at, body, stored = row
    intact = crc(kind, source, received_at, body) == stored
    at = datetime.fromisoformat(received_at) if intact else datetime.fromtimestamp(0, UTC)
    return Delivery(number, kind, source, body, at), intact


def _entry(text: str, stored: int, body: str, body_stored: int) -> HistoryEntry | None:
    try:
        if crc(text) != stored:
            return None
        entry: HistoryEntry = ledger_json.load(HistoryEntry, text)
    except ValueError:
        return None
    return dataclasses.replace(entry, body=body if crc(body) == body_stored else "")


def _bound_undecided(connection: sqlite3.Connection) -> None:
    """Whoever floods the inbox loses the oldest of what was not read yet, and can ask what became of it."""
    surplus = connection.execute(
        "SELECT id FROM deliveries WHERE decision IS NULL ORDER BY id DESC LIMIT -1 OFFSET ?",
        (UNDECIDED_KEPT,),
    ).fetchall()
    for (number,) in surplus:
        _decide(
            connection, Decision(number, 503, f"dropped unread: {UNDECIDED_KEPT} newer deliveries waited")
        )


def _decide(connection: sqlite3.Connection, decision: Decision) -> None:
    # the body goes: what was taken lives on in a slot and in the history
    connection.execute(
        "UPDATE deliveries SET decision = ?, body = x'', crc = 0 WHERE id = ?",
        (ledger_json.dump(decision), decision.delivery),
    )
    connection.execute(
        "DELETE FROM deliveries WHERE decision IS NOT NULL AND id NOT IN"
        " (SELECT id FROM deliveries WHERE decision IS NOT NULL ORDER BY id DESC LIMIT ?)",
        (DECIDED_KEPT,),
    )


def _enter(connection: sqlite3.Connection, history: Iterable[HistoryEntry]) -> None:
    for entry in history:
        text = ledger_json.dump(dataclasses.replace(entry, body=""))
        connection.execute(
            "INSERT OR REPLACE INTO versions (epoch, version, entry, crc, body, body_crc)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*entry.edition, text, crc(text), entry.body, crc(entry.body)),
        )
    connection.execute(
        "DELETE FROM versions WHERE rowid IN"
        " (SELECT rowid FROM versions ORDER BY epoch DESC, version DESC LIMIT -1 OFFSET ?)",
        (HISTORY_KEPT,),
    )
    connection.execute(
        "UPDATE versions SET body = '', body_crc = 0 WHERE body != '' AND rowid IN"
        " (SELECT rowid FROM versions ORDER BY epoch DESC, version DESC LIMIT -1 OFFSET ?)",
        (BODIES_KEPT,),
    )
