"""When was it made, and when is it on the disk? The outbox on a clock that was wrong, and on a disk that is slow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgetender.clock import rfc3339
from edgetender.codec import canonical
from edgetender.model.upstream import StreamPolicy, default_policy
from edgetender.store.outbox import SqliteOutbox
from tests.builders.outboxes import Make, clock, drain, make, of
from tests.fakes.clock import NOON, FakeClock

__all__ = ["clock", "make"]

# --- times ---


def stamped(at: datetime, **more) -> bytes:
    return canonical({"at": rfc3339(at), "value": 1, **more})


def test_what_was_made_before_the_clock_was_set_is_stamped_anew(make: Make, clock: FakeClock) -> None:
    clock.set(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    outbox = make()
    outbox.append("telemetry/a", stamped(clock.now()), clock.now())
    clock.advance(100)
    clock.set(NOON)
    outbox.append("telemetry/a", stamped(NOON), NOON)
    first, second = (json.loads(message.body) for message in outbox.head())
    assert first == {
        "at": rfc3339(NOON - timedelta(seconds=100)),
        "stampedAt": "1970-01-01T00:01:00.000Z",
        "value": 1,
    }
    assert second == {"at": rfc3339(NOON), "value": 1}


def test_a_clock_that_is_trimmed_changes_nothing(make: Make, clock: FakeClock) -> None:
    outbox = make()
    outbox.append("telemetry/a", stamped(clock.now()), clock.now())
    clock.advance(86_400)
    clock.set(clock.now() + timedelta(seconds=3))
    assert outbox.head()[0].body == stamped(NOON)


def test_a_body_without_its_time_is_sent_as_it_is(make: Make, clock: FakeClock) -> None:
    outbox = make()
    outbox.append("telemetry/a", b"\xff binary", clock.now())
    clock.set(NOON + timedelta(days=1))
    assert outbox.head()[0].body == b"\xff binary"


def restarted(tmp_path: Path, clock: FakeClock, boot: int) -> SqliteOutbox:
    return SqliteOutbox(tmp_path / "queue.db", clock=clock, boot=boot)


@pytest.mark.parametrize(
    ("then", "now", "corrected"),
    [(7, 7, True), (7, 8, False), (0, 0, False)],
    ids=["same boot", "another boot", "no boot id"],
)
def test_an_agent_that_restarted_stamps_anew_within_the_same_boot_alone(
    tmp_path: Path, clock: FakeClock, then: int, now: int, corrected: bool
) -> None:
    clock.set(datetime(1970, 1, 1, tzinfo=UTC))
    first = restarted(tmp_path, clock, then)
    first.append("telemetry/a", stamped(clock.now()), clock.now())
    first.close()
    clock.advance(60)
    clock.set(NOON)
    second = restarted(tmp_path, clock, now)
    assert (json.loads(second.head()[0].body)["at"] == rfc3339(NOON - timedelta(seconds=60))) is corrected
    second.close()


# --- commits ---


class Slow(SqliteOutbox):
    """Counts its commits; the next one waits while `held`."""

    commits = 0

    def _flush(self) -> None:
        self.commits += 1
        self.entered.set()
        assert self.held.wait(60)
        super()._flush()


@pytest.fixture
def slow(tmp_path: Path, clock: FakeClock) -> Iterator[Slow]:
    outbox = Slow(tmp_path / "queue.db", clock=clock)
    outbox.entered, outbox.held = threading.Event(), threading.Event()
    yield outbox
    outbox.held.set()
    outbox.close()


def test_who_appends_durably_while_a_commit_is_under_way_shares_the_next_one(slow: Slow) -> None:
    def append(number: int) -> None:
        slow.append("event/x", b"%d" % number, NOON)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(30)]
    threads[0].start()
    assert slow.entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(slow._arrivals._rows) < 29:
        threads[-1].join(0.01)
    assert all(thread.is_alive() for thread in threads)  # nobody is told before it is on the disk
    slow.held.set()
    for thread in threads:
        thread.join(60)
    assert slow.commits <= 3
    assert slow.figures().queued == 30


def test_a_standard_message_does_not_wait_for_a_commit(slow: Slow) -> None:
    durable = threading.Thread(target=lambda: slow.append("event/x", b"1", NOON))
    durable.start()
    assert slow.entered.wait(60)
    slow.append("telemetry/a", b"2", NOON)  # returns
    slow.held.set()
    durable.join(60)
    assert slow.figures().queued == 2


def test_a_stream_made_durable_is_on_the_disk_at_once(tmp_path: Path, clock: FakeClock) -> None:
    outbox = SqliteOutbox(tmp_path / "queue.db", clock=clock, policies=lambda _: StreamPolicy(durable=True))
    outbox.append("telemetry/results", b"1", NOON)
    outbox._database.close()  # as at SIGKILL
    again = SqliteOutbox(tmp_path / "queue.db", clock=clock)
    assert [message.body for message in again.head()] == [b"1"]
    again.close()


def test_counters_of_each_stream_outlive_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    policies = {"a": replace(default_policy("a"), max_age_s=60)}
    outbox = SqliteOutbox(
        tmp_path / "queue.db", clock=clock, policies=lambda s: policies.get(s) or default_policy(s)
    )
    outbox.append("telemetry/a", b"1", NOON)
    clock.advance(61)
    outbox.append("event/x", b"2", NOON)
    drain(outbox)
    before = outbox.figures().streams
    outbox.close()
    again = SqliteOutbox(tmp_path / "queue.db", clock=clock)
    assert again.figures().streams == before
    assert of(again, "a").dropped == (("age", 1),)
    again.close()
