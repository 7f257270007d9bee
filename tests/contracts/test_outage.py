"""A day without a link, in compressed time: nothing is lost, all of it goes up in order, and nobody is drowned."""

from __future__ import annotations

import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgetender.errors import LinkDown
from edgetender.model.pacing import Bucket, take
from edgetender.model.upstream import Message
from edgetender.store.outbox import SqliteOutbox
from edgetender.uplink import Uplink
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport

DAY_S = 86_400
STREAMS = ("device", "modules", "scoring")


class Stopping(threading.Event):
    """Waiting on it moves *clock* and takes no time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timeout or 0)
        return self.is_set()


class Site:
    """A device with a queue on the disk; its uplink's thread is the test."""

    def __init__(self, path: Path, per_second: float = 0.0) -> None:
        self.path, self.clock, self.per_second = path, FakeClock(), per_second
        self.stopping = Stopping(self.clock)
        self.transport = FakeTransport(clock=self.clock, up=False)
        self.start()

    def start(self) -> None:
        self.outbox = SqliteOutbox(self.path, clock=self.clock)
        self.uplink = Uplink(
            self.transport, self.outbox, self.stopping, per_second=self.per_second, clock=self.clock
        )

    def kill(self) -> None:
        self.outbox._database.close()  # nothing is flushed, as at SIGKILL

    def drain(self, until: Callable[[], bool] = lambda: False) -> None:
        while self.uplink._send_some() and not until():
            pass

    def numbers(self, stream: str) -> list[int]:
        return [int(body) for body in self.transport.bodies(f"telemetry/{stream}")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a day has 8640 commits, and no power goes in this test."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.timeout(600)
def test_a_day_at_a_message_a_second_is_delivered_whole_and_in_order(disk: Path) -> None:
    site = Site(disk / "queue.db")
    for number in range(DAY_S):
        site.outbox.append(f"telemetry/{STREAMS[number % 3]}", b"%-250d" % number, site.clock.now())
        site.clock.advance(1)
        if number % 5 == 0:
            site.outbox.flush_due()
            assert site.uplink._send_some() is False
    site.outbox.flush()
    site.kill()  # the agent is killed once, at the end of the outage
    site.start()
    site.transport.come_up()
    site.drain(lambda: len(site.transport.sent) > 40_000)
    site.kill()  # and once while the backlog goes up
    site.start()
    site.drain()
    arrived = [number for stream in STREAMS for number in site.numbers(stream)]
    assert set(arrived) == set(range(DAY_S))
    for stream in STREAMS:
        first_time = list(dict.fromkeys(site.numbers(stream)))
        assert first_time == sorted(first_time)
    assert len(arrived) - DAY_S <= DAY_S * 0.001
    figures = site.outbox.figures()
    assert (figures.accepted, figures.delivered, figures.queued, figures.dropped) == (DAY_S, DAY_S, 0, 0)
    site.outbox.close()


class Flapping(FakeTransport):
    """The link ends after *lasts* messages; the far side has the last one, its acknowledgement is lost."""

    lasts = 0

    def send(self, message: Message, *, timeout_s: float) -> None:
        super().send(message, timeout_s=timeout_s)
        self.lasts -= 1
        if self.lasts <= 0:
            self.go_down()
            raise LinkDown("cut before the acknowledgement")


def test_a_link_that_flaps_three_hundred_times_loses_nothing_and_repeats_only_what_was_not_acknowledged(
    tmp_path: Path,
) -> None:
    site, draw, number, cut = Site(tmp_path / "queue.db"), random.Random(3), 0, 0
    site.transport = link = Flapping(clock=site.clock, up=False)
    site.uplink = Uplink(link, site.outbox, site.stopping, clock=site.clock)
    for _ in range(300):
        for _ in range(draw.randrange(6)):
            site.outbox.append("telemetry/device", b"%d" % number, site.clock.now())
            number += 1
        link.lasts = draw.randrange(1, 6)
        link.come_up()
        try:
            site.drain()
        except LinkDown:
            cut += 1
        link.go_down()
        site.clock.advance(2)
    link.lasts = number
    link.come_up()
    site.drain()
    arrived = site.numbers("device")
    assert list(dict.fromkeys(arrived)) == list(range(number))
    assert len(arrived) - number == cut > 100
    site.outbox.close()


def test_after_an_outage_the_backlog_goes_up_no_faster_than_allowed_and_news_beside_it(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path / "queue.db", per_second=50)
    for number in range(5000):
        site.outbox.append("telemetry/device", b"%d" % number, site.clock.now())
    site.transport.come_up()
    began = site.clock.monotonic()
    site.drain(lambda: len(site.transport.sent) >= 1000)
    site.outbox.append("event/alarm", b"fire", site.clock.now())
    at = site.clock.monotonic()
    site.drain(lambda: bool(site.transport.bodies("event/alarm")))
    assert site.clock.monotonic() - at <= 1.0  # it did not wait behind 4000 others
    site.drain()
    took = site.clock.monotonic() - began
    assert 5001 / 50 - 3 <= took <= 5001 / 50 + 1
    assert site.numbers("device") == list(range(5000))
    site.outbox.close()


def test_state_waits_for_nobody(tmp_path: Path) -> None:
    site = Site(tmp_path / "queue.db", per_second=1)
    for number in range(10):
        site.outbox.append("telemetry/device", b"%d" % number, site.clock.now())
    site.outbox.put_state("reported", b"{}")
    site.transport.come_up()
    site.uplink._send_some()
    assert site.transport.sent[0].topic == "reported"
    site.outbox.close()


def test_a_stop_ends_the_waiting_for_a_turn(tmp_path: Path) -> None:
    site = Site(tmp_path / "queue.db", per_second=1)
    for number in range(10):
        site.outbox.append("telemetry/device", b"%d" % number, site.clock.now())
    site.transport.come_up()
    site.stopping.set()
    assert site.uplink._send_some() is False
    assert site.transport.sent == []
    site.outbox.close()


def test_a_bucket_gives_two_seconds_worth_at_once_and_then_the_rate() -> None:
    bucket, waits = None, []
    for _ in range(30):
        bucket, wait_s = take(bucket, 100.0, 10)
        waits.append(round(wait_s, 3))
    assert waits[:20] == [0.0] * 20
    assert waits[20:23] == [0.1, 0.2, 0.3]


def test_silence_fills_the_bucket_again_but_not_beyond_its_brim() -> None:
    assert take(Bucket(0.0, 0.0), 1000.0, 10)[0].tokens == 19.0
    assert take(Bucket(0.0, 50.0), 40.0, 10)[1] > 0  # a clock of another kind: never more than was earned
    assert take(None, 0.0, 0)[1] == 0.0
