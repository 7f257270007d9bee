"""What every Outbox keeps, on the fake and on SQLite."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from edgetender.model.upstream import OutboxFigures, default_policy
from tests.builders.outboxes import Make, balanced, bodies, clock, make
from tests.fakes.clock import NOON, FakeClock

__all__ = ["clock", "make"]


def test_state_goes_first_then_messages_in_their_order(make: Make) -> None:
    outbox = make()
    outbox.append("telemetry/device", b"1", NOON)
    outbox.append("event/applied", b"2", NOON, expiry_s=60)
    outbox.put_state("reported", b"s")
    assert [(each.topic, each.body, each.retain, each.expiry_s) for each in outbox.head()] == [
        ("reported", b"s", True, None),
        ("telemetry/device", b"1", False, 3600),
        ("event/applied", b"2", False, 60),
    ]
    assert len(outbox.head(2)) == 2
    assert all(message.id > 0 for message in outbox.head())


def test_of_a_state_the_newest_wins_and_the_acknowledged_one_is_not_sent_again(make: Make) -> None:
    outbox = make()
    assert outbox.put_state("reported", b"a")
    assert outbox.put_state("reported", b"a")  # nobody has it yet
    assert outbox.put_state("reported", b"b")
    (message,) = outbox.head()
    assert message.body == b"b"
    outbox.sent(message)
    assert outbox.head() == ()
    assert not outbox.put_state("reported", b"b")


def test_a_newer_state_stays_queued_when_its_predecessor_arrives(make: Make) -> None:
    outbox = make()
    outbox.put_state("reported", b"a")
    (on_its_way,) = outbox.head()
    outbox.put_state("reported", b"b")
    outbox.sent(on_its_way)
    assert bodies(outbox) == [b"b"]


def test_a_state_that_comes_back_is_sent_although_it_was_acknowledged_once(make: Make) -> None:
    outbox = make()
    outbox.put_state("reported", b"a")
    outbox.sent(outbox.head()[0])
    outbox.put_state("reported", b"b")
    outbox.head()  # b may have arrived, its acknowledgement may be lost
    assert outbox.put_state("reported", b"a")
    assert bodies(outbox) == [b"a"]


def test_states_are_sent_again_when_the_far_side_may_have_lost_them(make: Make) -> None:
    outbox = make()
    outbox.put_state("birth", b"1")
    outbox.put_state("reported", b"2")
    for message in outbox.head():
        outbox.sent(message)
    outbox.resend_states()
    assert bodies(outbox) == [b"1", b"2"]


def test_what_was_sent_leaves_once_and_is_counted_once(make: Make) -> None:
    outbox = make()
    outbox.append("event/a", b"1", NOON)
    outbox.append("telemetry/device", b"2", NOON)
    first, second = outbox.head()
    outbox.sent(first)
    outbox.sent(first)
    assert [message.id for message in outbox.head()] == [second.id]
    figures = outbox.figures()
    assert (figures.accepted, figures.delivered, figures.queued, figures.dropped) == (2, 1, 1, 0)
    outbox.sent(second)
    assert outbox.figures() == OutboxFigures(0, 0, accepted=2, delivered=2, dropped=0)


def test_over_the_quota_the_oldest_telemetry_goes_first_and_events_last(make: Make) -> None:
    outbox = make(max_bytes=1000)  # each costs 64 bytes, its topic and its body
    outbox.append("event/old", b"e" * 100, NOON)
    for index in range(5):
        outbox.append("telemetry/device", b"%d" % index + b"t" * 99, NOON)
    assert [body[:1] for body in bodies(outbox)] == [b"e", b"1", b"2", b"3", b"4"]
    for index in range(5):
        outbox.append("event/new", b"%d" % index + b"n" * 99, NOON)
    assert [body[:2] for body in bodies(outbox)] == [b"ee", b"0n", b"1n", b"2n", b"3n"] or [
        body[:2] for body in bodies(outbox)
    ] == [b"0n", b"1n", b"2n", b"3n", b"4n"]
    assert outbox.figures().queued_bytes <= 1000
    assert balanced(outbox.figures())
    assert outbox.figures().dropped == 6


def test_a_message_larger_than_the_quota_costs_only_itself(make: Make) -> None:
    outbox = make(max_bytes=1000)
    outbox.append("event/small", b"s", NOON)
    outbox.append("event/large", b"l" * 1000, NOON)
    assert bodies(outbox) == [b"s"]
    assert outbox.figures().dropped == 1


def test_what_is_too_old_is_dropped_and_counted(make: Make, clock: FakeClock) -> None:
    outbox = make({name: replace(default_policy(name), max_age_s=3600) for name in ("device", "event")})
    outbox.append("telemetry/device", b"short", clock.now(), expiry_s=60)
    outbox.append("event/a", b"long", clock.now(), expiry_s=7200)
    clock.advance(61)
    assert bodies(outbox) == [b"long"]
    clock.advance(3600)
    assert bodies(outbox) == []
    assert outbox.figures() == OutboxFigures(accepted=2, dropped=2)


def test_a_clock_that_learns_the_date_costs_no_message(make: Make, clock: FakeClock) -> None:
    clock.set(datetime(1970, 1, 1, tzinfo=UTC))
    outbox = make()
    outbox.append("event/booted", b"1", clock.now())
    clock.set(datetime(2026, 11, 24, tzinfo=UTC))
    assert bodies(outbox) == [b"1"]
