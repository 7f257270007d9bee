"""What goes up, in which order, and what happens to it when the link does not hold?"""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from edgetender.errors import LinkDown
from edgetender.model.upstream import Batching, Message
from edgetender.uplink import Uplink
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.store import FakeOutbox
from tests.fakes.transport import FakeTransport


class Sending:
    """An uplink whose thread is the test."""

    def __init__(self, *, up: bool = True) -> None:
        self.outbox, self.stopping = FakeOutbox(), threading.Event()
        self.clock = FakeClock()
        self.transport = FakeTransport(clock=self.clock, up=up)
        self.transport.open(lambda _body: True, lambda: None)
        self.uplink = Uplink(self.transport, self.outbox, self.stopping, clock=self.clock)

    def send(self) -> bool:
        return self.uplink._send_some()

    @property
    def topics(self) -> list[str]:
        return [message.topic for message in self.transport.sent]


def test_state_goes_first_then_messages_oldest_first_and_all_of_it_once():
    one = Sending()
    one.outbox.append("event/a", b"1", NOON)
    one.outbox.append("event/b", b"2", NOON)
    one.outbox.put_state("reported", b"{}")
    while one.send():
        pass
    assert one.topics == ["reported", "event/a", "event/b"]
    assert one.outbox.figures().queued == 0


class Far(FakeTransport):
    """Its far side needs a while."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self._slow = clock

    def send(self, message: Message, *, timeout_s: float) -> None:
        super().send(message, timeout_s=timeout_s)
        self._slow.advance(0.038)


def test_how_long_a_message_takes_there_and_back_is_known_while_the_link_is_up():
    clock, outbox = FakeClock(), FakeOutbox()
    far = Far(clock)
    far.open(lambda _body: True, lambda: None)
    uplink = Uplink(far, outbox, threading.Event(), clock=clock)
    assert uplink.link().round_trip_s is None
    outbox.append("event/a", b"1", NOON)
    uplink._send_some()
    assert uplink.link().round_trip_s == pytest.approx(0.038)
    far.go_down()
    assert uplink.link().round_trip_s is None


def test_without_a_link_nothing_is_sent_and_nothing_lost():
    one = Sending(up=False)
    one.outbox.append("event/a", b"1", NOON)
    assert one.send() is False
    assert one.outbox.figures().queued == 1


class Refusing(FakeTransport):
    """Takes so many messages, then none."""

    takes = 1

    def send(self, message: Message, *, timeout_s: float) -> None:
        if self.takes == 0:
            raise LinkDown("cannot send: no answer")
        self.takes -= 1
        super().send(message, timeout_s=timeout_s)


def test_what_was_not_taken_stays_in_line_when_the_link_breaks_in_between():
    one = Sending()
    one.transport.__class__ = Refusing
    for name in "ab":
        one.outbox.append(f"event/{name}", b"1", NOON)
    with pytest.raises(LinkDown):
        one.send()
    assert (one.topics, one.outbox.figures().queued) == (["event/a"], 1)
    one.transport.takes = 9
    while one.send():
        pass
    assert one.topics == ["event/a", "event/b"]


def test_on_a_new_session_the_state_is_sent_again_for_the_broker_may_have_lost_it():
    one = Sending()
    one.outbox.put_state("reported", b"{}")
    while one.send():
        pass
    one.transport.go_down()
    one.clock.advance(60)
    one.transport.come_up()
    while one.send():
        pass
    assert one.topics == ["reported", "reported"]


def batching(one: Sending, *, wait_s: float = 0.0) -> None:
    one.transport._link = replace(one.transport._link, batching=Batching(100, wait_s))


def test_where_messages_are_counted_telemetry_of_one_kind_shares_one_and_an_event_has_its_own():
    one = Sending()
    batching(one)
    for number in range(6):
        one.outbox.append("telemetry/device", b'{"at":%d,"pad":"%s"}' % (number, b"x" * 10), NOON)
        one.outbox.append("event/a", b"%d" % number, NOON)
    while one.send():
        pass
    assert [(sent.topic, sent.parts) for sent in one.transport.sent if sent.topic[0] == "t"] == [
        ("telemetry/device", 3),
        ("telemetry/device", 3),
    ]
    samples = [
        sample["at"] for body in one.transport.bodies("telemetry/device") for sample in json.loads(body)
    ]
    assert samples == list(range(6))
    assert one.transport.bodies("event/a") == [b"%d" % number for number in range(6)]
    assert one.outbox.figures().queued == 0


def test_telemetry_waits_for_more_of_it_so_long_and_no_longer_and_is_accepted_until_then():
    one = Sending()
    batching(one, wait_s=300)
    for _ in range(2):
        one.outbox.append("telemetry/device", b"{}", NOON)
        assert one.send() is False
        one.clock.advance(200)
    assert one.send() is True
    assert one.transport.bodies("telemetry/device") == [b"[{},{}]"]
    one.outbox.append("telemetry/device", b"{}", NOON)
    one.outbox.append("event/a", b"1", NOON)
    assert one.send() is True
    assert (one.topics[-1], one.outbox.figures().queued) == ("event/a", 1)


def test_what_a_module_sends_joins_what_is_there_and_waits_for_no_more_of_it():
    one = Sending()
    batching(one, wait_s=300)
    for number in range(2):
        one.outbox.append("telemetry/scorer/alarms", b"%d" % number, NOON)
    one.outbox.append("telemetry/device", b"{}", NOON)
    one.send()
    assert [(sent.topic, sent.body) for sent in one.transport.sent] == [("telemetry/scorer/alarms", b"[0,1]")]
    assert one.outbox.figures().queued == 1


def test_a_full_message_waits_for_nothing():
    one = Sending()
    batching(one, wait_s=300)
    for size in (40, 40, 40, 200):
        one.outbox.append("telemetry/device", b'"%s"' % (b"x" * size), NOON)
    assert one.send() is True
    assert [message.parts for message in one.transport.sent] == [2, 1]
    assert one.outbox.figures().queued == 1


def test_the_thread_ends_promptly_when_it_is_stopped():
    one = Sending(up=False)
    thread = threading.Thread(target=one.uplink.work)
    thread.start()
    one.stopping.set()
    one.uplink.wake()
    thread.join(60)
    assert not thread.is_alive()
