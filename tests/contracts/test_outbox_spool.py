"""Messages that are committed but too few for the database: the spool, and what an older agent left."""

from __future__ import annotations

import random
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

from edgetender.model.upstream import stream_of
from edgetender.store.database import crc
from edgetender.store.outbox import SqliteOutbox
from edgetender.store.packs import Row
from edgetender.store.schema import QUEUE
from edgetender.store.spool import Spool
from tests.builders.outboxes import balanced, bodies, clock, drain
from tests.contracts.test_outbox_disk import rows
from tests.fakes.clock import NOON, FakeClock

__all__ = ["clock"]


def spooling(path: Path, clock: FakeClock, number: int) -> SqliteOutbox:
    """An outbox with so many events in the spool alone, each by itself."""
    outbox = SqliteOutbox(path, clock=clock)
    outbox.flush()  # the first commit names the spool's epoch
    for index in range(number):
        outbox.append("event/a", b"%d" % index, clock.now())
    return outbox


def test_a_commit_of_a_few_messages_leaves_the_database_alone(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "queue.db"
    outbox = spooling(path, clock, 0)
    with closing(sqlite3.connect(path)) as watcher:
        (before,) = watcher.execute("PRAGMA data_version").fetchone()
        for index in range(60):
            outbox.append("event/a", b"%d" % index, clock.now())
        assert watcher.execute("PRAGMA data_version").fetchone() == (before,)
        assert rows(path) == 60
        for index in range(60, 70):
            outbox.append("event/a", b"%d" % index, clock.now())
        assert watcher.execute("PRAGMA data_version").fetchone() != (before,)
    outbox._database.close()
    again = SqliteOutbox(path, clock=clock)
    assert [message.body for message in again.head(100)] == [b"%d" % index for index in range(70)]
    again.close()


def test_a_record_of_which_the_disk_takes_a_part_is_not_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "queue.spool", epoch=1)
    one, large = (
        Row("event", number, "event/a", body, None, 1e6, 0.0, 1, 0.0)
        for number, body in ((1, b"1"), (2, random.Random(2).randbytes(6000)))
    )
    assert spool.append([one], 0.0)  # one block of 4 KiB; the other one takes two
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 4096, before[1]))
    try:
        assert not spool.append([large], 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert spool.append([large], 0.0)
    spool.close()
    assert Spool(tmp_path / "queue.spool", epoch=1).read() == ([one, large], True)


def test_what_was_sent_out_of_the_spool_is_not_sent_again_once_that_is_committed(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "queue.db"
    outbox = spooling(path, clock, 3)
    outbox.sent(outbox.head(1)[0])
    clock.advance(10)
    outbox.flush_due()
    outbox._database.close()
    again = SqliteOutbox(path, clock=clock)
    assert bodies(again) == [b"1", b"2"]
    assert again.figures().delivered == 1
    again.close()


def test_a_record_that_power_cut_short_costs_nobody_else_anything(tmp_path: Path, clock: FakeClock) -> None:
    path, spool = tmp_path / "queue.db", tmp_path / "queue.spool"
    spooling(path, clock, 3)._database.close()
    raw = bytearray(spool.read_bytes())
    raw[2 * 4096 + 50] ^= 1
    spool.write_bytes(raw)
    again = SqliteOutbox(path, clock=clock)
    assert again.lost is None
    assert bodies(again) == [b"0", b"1"]
    again.append("event/a", b"next", clock.now())
    again._database.close()
    once_more = SqliteOutbox(path, clock=clock)
    assert bodies(once_more) == [b"0", b"1", b"next"]
    once_more.close()


def test_a_damaged_record_among_whole_ones_is_named_and_the_others_are_kept(
    tmp_path: Path, clock: FakeClock
) -> None:
    path, spool = tmp_path / "queue.db", tmp_path / "queue.spool"
    spooling(path, clock, 3)._database.close()
    raw = bytearray(spool.read_bytes())
    raw[4096 + 50] ^= 1
    spool.write_bytes(raw)
    again = SqliteOutbox(path, clock=clock)
    assert again.lost == "queue.spool was damaged: some messages are lost"
    assert bodies(again) == [b"0", b"2"]
    assert balanced(again.figures())
    again.close()


def test_a_spool_of_another_database_is_not_taken_for_its_own(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "queue.db"
    spooling(path, clock, 3)._database.close()
    for file in tmp_path.glob("queue.db*"):
        file.unlink()
    fresh = spooling(path, clock, 1)
    fresh._database.close()
    again = SqliteOutbox(path, clock=clock)
    assert bodies(again) == [b"0"]
    again.close()


def test_what_an_older_agent_queued_one_by_one_is_taken_over(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "queue.db"
    with closing(sqlite3.connect(path)) as connection:
        for statement in (*QUEUE[0], *QUEUE[1]):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 2")
        for number in range(1, 2501):
            body, kind = b"%d" % number, "event/a" if number % 2 else "telemetry/device"
            about = (kind, body, None, 1e6, NOON.timestamp(), 7, float(number))
            checksum = crc(kind, body, 0, *about[3:]) + (number == 1300)
            connection.execute(
                "INSERT INTO queued VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, stream_of(kind), *about[:4], len(body) + len(kind) + 64, *about[4:], checksum),
            )
        connection.execute("INSERT INTO counters VALUES ('delivered:event', 5)")
        connection.commit()
    outbox = SqliteOutbox(path, clock=clock)
    assert outbox.lost is None
    assert (outbox.figures().queued, outbox.figures().delivered) == (2500, 5)
    arrived = [int(body) for _, body in drain(outbox)]
    assert sorted(arrived) == [number for number in range(1, 2501) if number != 1300]
    assert outbox.figures().dropped == 1
    outbox.close()
