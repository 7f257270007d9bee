"""How an SQLite file is opened, guarded and, when it is damaged, set aside: the care both databases share."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from edgetender import durable
from edgetender.errors import AgentError, DiskFull, Permanent, StoreDamaged
from edgetender.store.schema import Migrations, faults, prepare

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
_CLOSED_TO_US = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
}
_FILES = ("", "-wal", "-shm")
_SET_ASIDE_KEPT = 3  # a disk that breaks files again and again must not fill up with them
_FULL_BYTES = 256 * 1024


def crc(*parts: bytes | str | float) -> int:
    """CRC-32 over *parts*; 0 for one empty part."""
    # str(): a flipped bit may have made a number of what was a text
    return zlib.crc32(b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts))


class Database:
    """One connection behind one lock. What a `transaction` wrote is on the disk when its block is left."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises DiskFull (nothing was written) or StoreDamaged."""
        with self._lock, self._translated():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have rolled back already
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For queries alone. Raises StoreDamaged."""
        with self._lock, self._translated():
            yield self._connection

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _as_agent_error(error, self.path, running=True) from error


def open_database(
    path: Path, migrations: Migrations, *, now: datetime, journal_bytes: int, page_bytes: int = 4096
) -> tuple[Database, str | None]:
    """Open *path*, creating it (0600); a damaged file is set aside and begun anew.

    Returns the database and what was lost, None when nothing was. Raises DiskFull, and Permanent where the
    file is of a newer edgetender or cannot be opened by us; such a file is left alone.
    """
    try:
        durable.make_directory(path.parent, 0o700)
        lost = _empty(path)
        if lost is None:
            try:
                return Database(path, _connect(path, migrations, journal_bytes, page_bytes)), None
            except sqlite3.DatabaseError as error:
                if _primary(error) not in _DAMAGE:
                    raise
                lost = str(error)
        aside = _set_aside(path, now)
        connection = _connect(path, migrations, journal_bytes, page_bytes)
    except sqlite3.Error as error:
        raise _as_agent_error(error, path, running=False) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"cannot create {path}: the disk is full; free some space") from error
        raise _refusal(path, error.strerror or str(error)) from error
    return Database(path, connection), f"{path.name} was damaged ({lost}); kept as {aside.name}, begun anew"


def _empty(path: Path) -> str | None:
    """SQLite takes an empty file for a new database: one that was there before is a loss all the same."""
    if path.exists():
        return "the file is empty" if path.stat().st_size == 0 else None
    return "only its log is left" if _beside(path, "-wal").exists() else None


def _connect(path: Path, migrations: Migrations, journal_bytes: int, page_bytes: int) -> sqlite3.Connection:
    if (
        not path.exists()
    ):  # the log files take their mode from it; manifests may hold what is nobody's business
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        durable.sync_directory(path.parent)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    # what a flipped bit made no UTF-8 shall fail its checksum, not the query
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        prepare(connection, migrations, name=str(path), journal_bytes=journal_bytes, page_bytes=page_bytes)
        _check(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, migrations: Migrations) -> None:
    if why := faults(connection, migrations):
        error = sqlite3.DatabaseError(why)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _set_aside(path: Path, now: datetime) -> Path:
    """Rename the file and its logs to `<name>.damaged-<time>`; only the newest few are kept."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    target, count = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while any(_beside(target, suffix).exists() for suffix in _FILES):
        count += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}.{count}")
    for suffix in _FILES:  # the database first: logs without one are noticed, should we be killed in between
        if _beside(path, suffix).exists():
            _beside(path, suffix).rename(_beside(target, suffix))
    durable.sync_directory(path.parent)
    kept = [
        found
        for found in path.parent.glob(f"{path.name}.damaged-*")
        if not found.name.endswith(("-wal", "-shm"))
    ]
    for old in sorted(kept, key=lambda found: found.stat().st_mtime)[:-_SET_ASIDE_KEPT]:
        for suffix in _FILES:
            _beside(old, suffix).unlink(missing_ok=True)
    return target


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _primary(error: sqlite3.Error) -> int:
    """The primary result code: the extended ones carry it in their low byte."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF


def _as_agent_error(error: sqlite3.Error, path: Path, *, running: bool) -> AgentError:
    code = _primary(error)
    full = code == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _FULL_BYTES
    )
    if full:
        return DiskFull(f"cannot write {path}: {error}; free some space in {path.parent}")
    if code in _CLOSED_TO_US and not running:
        return _refusal(path, str(error))
    # after a failed fsync nobody knows what is on the disk: reopen and look, which a restart does
    return StoreDamaged(f"cannot use {path}: {error}; a restart opens it again, or sets it aside")


def _refusal(path: Path, why: str) -> Permanent:
    return Permanent(
        f"cannot open {path}: {why}; may this user write to {path.parent}, and does no other agent use it?"
    )
