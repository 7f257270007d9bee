"""What waits in the outbox goes up in order, once, when the link is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from demo.parts.waiting import until
from edgetender.errors import LinkDown
from edgetender.model.upstream import Message
from edgetender.uplink import Uplink
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.store import FakeOutbox
from tests.fakes.transport import FakeTransport


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport, self.outbox = FakeTransport(clock=self.clock), FakeOutbox(self.clock)
        self.stopping = threading.Event()
        self.uplink = Uplink(self.transport, self.outbox, self.stopping)
        self.thread = threading.Thread(target=self.uplink.work, daemon=True)

    def start(self) -> None:
        self.transport.open(lambda _body: True, self.uplink.wake)
        self.thread.start()

    def topics(self) -> list[str]:
        return [message.topic for message in self.transport.sent]

    def sent(self, count: int) -> list[str]:
        until(lambda: len(self.transport.sent) >= count, f"{count} messages", within_s=5, every_s=0.005)
        return self.topics()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.stopping.set()
    bench.uplink.wake()
    bench.transport.close()
    if bench.thread.ident is not None:
        bench.thread.join(5)
        assert not bench.thread.is_alive()


def test_state_goes_first_then_messages_in_order_and_each_once(bench: Bench) -> None:
    for number in range(30):  # more than one handful
        bench.outbox.append(f"event/{number}", b"{}", NOON)
    bench.outbox.put_state("reported", b"{}")
    bench.start()
    assert bench.sent(31) == ["reported", *(f"event/{number}" for number in range(30))]
    until(lambda: bench.outbox.figures().queued == 0, "an empty outbox", within_s=5)
    assert bench.outbox.figures().delivered == 30


def test_what_comes_while_it_waits_goes_at_once_when_it_is_woken(bench: Bench) -> None:
    bench.start()
    until(lambda: bench.uplink._news.is_set() is False, "a waiting uplink", within_s=5)
    bench.outbox.append("event/applied", b"{}", NOON)
    began = time.monotonic()
    bench.uplink.wake()
    bench.sent(1)
    assert time.monotonic() - began < 2


def test_nothing_is_sent_while_the_link_is_down_and_all_of_it_when_it_is_back(bench: Bench) -> None:
    bench.transport = FakeTransport(clock=bench.clock, up=False)
    bench.uplink = Uplink(bench.transport, bench.outbox, bench.stopping)
    bench.thread = threading.Thread(target=bench.uplink.work, daemon=True)
    bench.outbox.append("event/applied", b"{}", NOON)
    bench.start()
    assert bench.topics() == []
    bench.transport.come_up()
    assert bench.sent(1) == ["event/applied"]


def test_a_new_link_gets_the_state_again_for_its_broker_may_have_forgotten(bench: Bench) -> None:
    bench.outbox.put_state("reported", b"{}")
    bench.start()
    bench.sent(1)
    bench.transport.go_down()
    bench.clock.advance(1)
    bench.transport.come_up()
    assert bench.sent(2) == ["reported", "reported"]


def test_a_message_whose_sending_failed_is_kept_and_sent_again(bench: Bench) -> None:
    class Failing(FakeTransport):
        failures = 1

        def send(self, message: Message, *, timeout_s: float) -> None:
            if self.failures:
                self.failures -= 1
                raise LinkDown("cannot send: lost on the way")
            super().send(message, timeout_s=timeout_s)

    bench.transport = Failing(clock=bench.clock)
    bench.uplink = Uplink(bench.transport, bench.outbox, bench.stopping)
    bench.thread = threading.Thread(target=bench.uplink.work, daemon=True)
    bench.outbox.append("event/1", b"{}", NOON)
    bench.outbox.append("event/2", b"{}", NOON)
    bench.start()
    assert bench.sent(2) == ["event/1", "event/2"]


def test_a_far_side_that_takes_nothing_does_not_keep_the_daemon_from_stopping(bench: Bench) -> None:
    bench.transport.mute = True
    bench.outbox.append("event/1", b"{}", NOON)
    bench.start()
    bench.stopping.set()
    bench.uplink.wake()
    bench.transport.close()
    bench.thread.join(5)
    assert not bench.thread.is_alive()
    assert bench.outbox.figures().queued == 1


def test_what_the_outbox_holds_in_memory_is_flushed_also_without_a_link(bench: Bench) -> None:
    class Flushing(FakeOutbox):
        flushed = 0

        def flush_due(self) -> None:
            self.flushed += 1

    outbox = Flushing(bench.clock)
    bench.uplink = Uplink(FakeTransport(clock=bench.clock, up=False), outbox, bench.stopping)
    bench.thread = threading.Thread(target=bench.uplink.work, daemon=True)
    bench.thread.start()
    until(lambda: outbox.flushed, "a flush", within_s=5)
    bench.uplink.wake()
    until(lambda: outbox.flushed >= 2, "the next flush", within_s=5)
