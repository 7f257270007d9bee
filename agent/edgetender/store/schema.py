"""Which tables the two databases have, and how a connection to one is set up.

A migration is a tuple of statements; its place in the list is the schema version it leads to. One that has
been released is never changed, a new one is appended.
"""

from __future__ import annotations

import sqlite3

from edgetender.errors import Permanent

Migrations = tuple[tuple[str, ...], ...]

STATE: Migrations = (
    (
        "CREATE TABLE ledger (section TEXT PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL)",
        # AUTOINCREMENT: the id of a pruned delivery must not come again, somebody may still ask about it
        """CREATE TABLE deliveries (
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, source TEXT NOT NULL,
            received_at TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL, decision TEXT)""",
        "CREATE INDEX deliveries_undecided ON deliveries (id) WHERE decision IS NULL",
        """CREATE TABLE history (
            version INTEGER PRIMARY KEY, entry TEXT NOT NULL, crc INTEGER NOT NULL,
            body TEXT NOT NULL, body_crc INTEGER NOT NULL)""",
    ),
    (
        # a later epoch begins the numbers anew, and what ran before it is still to be gone back to
        """CREATE TABLE versions (
            epoch INTEGER NOT NULL, version INTEGER NOT NULL, entry TEXT NOT NULL, crc INTEGER NOT NULL,
            body TEXT NOT NULL, body_crc INTEGER NOT NULL, PRIMARY KEY (epoch, version))""",
        # what is damaged stays so, for whoever opens the database to say
        """INSERT INTO versions SELECT
            CASE WHEN json_valid(entry) THEN coalesce(json_extract(entry, '$.epoch'), 0) ELSE 0 END,
            version, entry, crc, body, body_crc FROM history""",
        "DROP TABLE history",
    ),
)

QUEUE: Migrations = (
    (
        """CREATE TABLE states (
            topic TEXT PRIMARY KEY, body BLOB NOT NULL, acknowledged INTEGER NOT NULL,
            crc INTEGER NOT NULL)""",
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY, topic TEXT NOT NULL, priority INTEGER NOT NULL, body BLOB NOT NULL,
            expiry_s INTEGER, until REAL NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL)""",
        "CREATE INDEX messages_by_priority ON messages (priority, id, size)",
        "CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL NOT NULL)",
    ),
    (
        # no released edgetender wrote `messages`: nothing is carried over
        """CREATE TABLE queued (
            id INTEGER PRIMARY KEY, stream TEXT NOT NULL, topic TEXT NOT NULL, body BLOB NOT NULL,
            expiry_s INTEGER, until REAL NOT NULL, size INTEGER NOT NULL,
            at REAL NOT NULL, boot INTEGER NOT NULL, since_boot REAL NOT NULL, crc INTEGER NOT NULL)""",
        "CREATE INDEX queued_by_stream ON queued (stream, id)",
        "DROP TABLE messages",
    ),
    (
        # what is in `queued` is packed at the next start (store/messages.py); then it stays empty
        """CREATE TABLE packs (
            first INTEGER PRIMARY KEY, stream TEXT NOT NULL, messages INTEGER NOT NULL, size INTEGER NOT NULL,
            crc INTEGER NOT NULL, body BLOB NOT NULL)""",
        "CREATE INDEX packs_by_stream ON packs (stream, first)",
    ),
)


def prepare(
    connection: sqlite3.Connection, migrations: Migrations, *, name: str, journal_bytes: int, page_bytes: int
) -> None:
    """Set *connection* up and bring its schema to the newest version.

    Raises Permanent, having written nothing, for a database of a newer edgetender; sqlite3.Error otherwise.
    """
    connection.execute("PRAGMA busy_timeout = 5000")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise Permanent(
            f"cannot open {name}: its schema is version {version}, this edgetender knows {len(migrations)};"
            " install the newer edgetender again, or move the file away to begin anew"
        )
    connection.execute(f"PRAGMA page_size = {page_bytes}")  # counts for a new file alone
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL may lose the last commits at a power cut (in WAL mode): nothing acknowledged could rest on it
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {journal_bytes}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {max(64, journal_bytes // page_bytes)}")
    for number, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


def faults(connection: sqlite3.Connection, migrations: Migrations) -> str | None:
    """What is wrong with the database as a file, None when nothing shows. Reads every page: ms per MB.

    It cannot see commits that vanished with a damaged write-ahead log; what rests on the rows must bear that.
    """
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",):
        return str(found[0]) if found else "the check gave no answer"
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    statements = [statement.split() for group in migrations for statement in group]
    gone = {words[2] for words in statements if words[0] == "DROP"}
    wanted = {
        words[2]
        for words in statements
        if words[0] == "CREATE" and not (words[2] in gone or (words[1] == "INDEX" and words[4] in gone))
    }
    return f"without {', '.join(sorted(wanted - tables))}" if wanted - tables else None
