"""What only a disk can do to the outbox: kills, damage, a lack of space."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgetender.model.upstream import OutboxFigures, StreamPolicy, default_policy
from edgetender.store.outbox import SqliteOutbox
from tests.builders.outboxes import balanced, bodies, clock
from tests.contracts.test_store import kill_after_writing
from tests.fakes.clock import NOON, FakeClock

__all__ = ["clock"]


def short(stream: str) -> StreamPolicy:
    return replace(default_policy(stream), max_age_s=100)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(["telemetry/d", "event/e"]), st.integers(0, 300)),
        st.tuples(st.just("send"), st.integers(0, 5)),
        st.tuples(st.just("advance"), st.integers(0, 40)),
        st.tuples(st.just("state"), st.sampled_from([b"a", b"b", b"c"])),
        st.tuples(st.just("kill")),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_nothing_is_lost_uncounted_however_often_the_agent_is_killed(
    tmp_path_factory: pytest.TempPathFactory, steps
) -> None:
    path, clock = tmp_path_factory.mktemp("queue") / "queue.db", FakeClock()
    outbox = SqliteOutbox(path, max_bytes=2000, policies=short, clock=clock)
    believed = {}  # what the far side holds
    wanted = None
    events = set()
    for number, step in enumerate(steps):
        match step:
            case ("append", topic, length):
                body = b"%d " % number + b"x" * length
                outbox.append(topic, body, clock.now())
                events |= {body} if topic.startswith("event") else set()
            case ("send", count):
                for message in outbox.head(count):
                    believed[message.topic] = message.body
                    outbox.sent(message)
            case ("advance", seconds):
                clock.advance(seconds)
            case ("state", body):
                wanted = body
                outbox.put_state("reported", body)
            case ("kill",):
                outbox._database.close()  # nothing is flushed, as at SIGKILL
                outbox = SqliteOutbox(path, max_bytes=2000, policies=short, clock=clock)
                if wanted is not None:
                    outbox.put_state("reported", wanted)  # the reconciler does
        assert balanced(outbox.figures())
        assert outbox.figures().queued_bytes <= 2000
    before = outbox.figures()
    queued = 0
    while waiting := outbox.head():
        for message in waiting:
            believed[message.topic] = message.body
            queued += not message.retain
            outbox.sent(message)
    assert believed.get("reported") == wanted
    assert before.queued == queued + (outbox.figures().dropped - before.dropped)
    assert outbox.figures().queued == outbox.figures().queued_bytes == 0
    outbox.close()


def rows(path: Path) -> int:
    """How many messages somebody finds who looks at the disk alone."""
    with tempfile.TemporaryDirectory() as folder:
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copy(file, folder)
        found = SqliteOutbox(Path(folder, path.name), clock=FakeClock())
        assert found.lost is None
        queued = found.figures().queued
        found.close()
    return queued


def test_an_event_is_on_the_disk_at_once_and_telemetry_within_ten_seconds(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "queue.db"
    outbox = SqliteOutbox(path, clock=clock)
    outbox.append("telemetry/device", b"1", NOON)
    assert rows(path) == 0
    clock.advance(9)
    outbox.flush_due()
    assert rows(path) == 0
    clock.advance(1)
    outbox.flush_due()
    assert rows(path) == 1
    outbox.append("event/a", b"2", NOON)
    assert rows(path) == 2
    outbox.append("telemetry/device", b"x" * 300_000, NOON)  # more than a group
    assert rows(path) == 3
    outbox.close()


def test_telemetry_that_is_sent_in_time_never_touches_the_disk(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "queue.db"
    outbox = SqliteOutbox(path, clock=clock)
    with closing(sqlite3.connect(path)) as watcher:
        (before,) = watcher.execute("PRAGMA data_version").fetchone()
        for _ in range(100):
            outbox.append("telemetry/device", b"1", clock.now())
            for message in outbox.head():
                outbox.sent(message)
            clock.advance(60)
        assert watcher.execute("PRAGMA data_version").fetchone() == (before,)
    outbox.close()
    again = SqliteOutbox(path, clock=clock)
    assert again.figures() == OutboxFigures(accepted=100, delivered=100)
    again.close()


def test_an_event_survives_a_kill(tmp_path: Path) -> None:
    kill_after_writing(tmp_path)
    outbox = SqliteOutbox(tmp_path / "queue.db")
    assert outbox.lost is None
    assert bodies(outbox) == [b"event"]
    outbox.close()


def test_what_is_delivered_is_not_sent_again_after_a_kill_once_the_queue_was_empty(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "queue.db")
    outbox.append("event/a", b"1", NOON)
    outbox.sent(outbox.head()[0])
    assert outbox.head() == ()
    outbox._database.close()
    again = SqliteOutbox(tmp_path / "queue.db")
    assert again.head() == ()
    assert again.figures() == OutboxFigures(accepted=1, delivered=1)
    again.close()


@pytest.mark.parametrize("damage", [b"", b"garbage" * 2000, bytes(4096)], ids=["empty", "garbage", "zeros"])
def test_a_damaged_queue_is_set_aside_and_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "queue.db"
    SqliteOutbox(path).close()
    path.write_bytes(damage)
    outbox = SqliteOutbox(path)
    assert outbox.lost is not None
    assert "queue.db.damaged-" in outbox.lost
    outbox.append("event/a", b"1", NOON)
    assert bodies(outbox) == [b"1"]
    outbox.close()


def test_messages_that_were_damaged_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    outbox = SqliteOutbox(path)
    for number in range(3):
        outbox.append("event/a", b"%d" % number, NOON)
    outbox.flush()
    outbox.append("event/b", b"3", NOON)
    outbox.flush()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE packs SET body = x'ff' || substr(body, 2) WHERE messages = 2")
        connection.commit()
    assert bodies(outbox) == [b"0", b"3"]
    assert (outbox.figures().dropped, outbox.figures().queued) == (2, 2)
    assert outbox.figures().streams[0].dropped == (("damaged", 2),)
    outbox.close()
    again = SqliteOutbox(path)
    assert (again.figures().dropped, again.figures().queued, again.figures().queued_bytes) == (2, 2, 144)
    again.close()


def test_on_a_full_disk_the_newest_stay_in_memory_and_are_written_later(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "queue.db"
    outbox = SqliteOutbox(path, clock=clock)
    with outbox._database.reading() as connection:  # SQLite's own bound answers as a full disk does
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    outbox.append("event/a", b"first", NOON)
    for _ in range(30):
        outbox.append("telemetry/device", b"x" * 50_000, NOON)
    assert outbox.trouble is not None
    assert outbox.figures().dropped > 0
    assert balanced(outbox.figures())
    assert bodies(outbox)[0] == b"first"  # telemetry went before it
    with outbox._database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    clock.advance(11)
    outbox.flush_due()
    assert outbox.trouble is None
    assert rows(path) == outbox.figures().queued
    outbox.close()


def test_threads_may_append_and_send_at_once(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "queue.db", group_s=0.01)

    def fill(name: str) -> None:
        for index in range(150):
            outbox.append(f"telemetry/{name}", b"%d" % index, NOON)

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    arrived = []
    while any(thread.is_alive() for thread in threads) or outbox.head(1):
        for message in outbox.head():
            outbox.sent(message)
            arrived.append((message.topic, message.body))
    assert len(arrived) == len(set(arrived)) == 450
    assert outbox.figures() == OutboxFigures(accepted=450, delivered=450)
    outbox.close()
