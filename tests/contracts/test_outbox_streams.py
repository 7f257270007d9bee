"""Streams in the outbox, on the fake and on SQLite: their bounds, their turns, their counters, their times."""

from __future__ import annotations

from collections import Counter

from edgetender.model.upstream import StreamPolicy
from edgetender.store.sharing import cheapest, shares
from tests.builders.outboxes import Make, clock, drain, make, of
from tests.fakes.clock import NOON, FakeClock

__all__ = ["clock", "make"]

COST = 64  # of a message, beside its topic and body


def test_a_backlog_of_one_stream_does_not_hold_up_another(make: Make) -> None:
    outbox = make()
    for number in range(100):
        outbox.append("telemetry/device", b"%d" % number, NOON)
    outbox.append("event/alarm", b"fire", NOON)
    outbox.append("telemetry/modules", b"new", NOON)
    first = outbox.head(20)
    assert Counter(message.topic for message in first) == {
        "telemetry/device": 18,
        "event/alarm": 1,
        "telemetry/modules": 1,
    }
    assert [m.body for m in first if m.topic == "telemetry/device"] == [
        b"%d" % number for number in range(18)
    ]


def test_each_stream_goes_up_in_its_order(make: Make) -> None:
    outbox = make()
    for number in range(200):
        outbox.append(f"telemetry/{'abc'[number % 3]}", b"%d" % number, NOON)
    got = drain(outbox)
    for name in "abc":
        mine = [int(body) for topic, body in got if topic == f"telemetry/{name}"]
        assert mine == sorted(mine)
    assert len(got) == 200


def test_a_streams_own_bound_costs_that_stream_alone(make: Make) -> None:
    outbox = make({"flood": StreamPolicy(max_bytes=1000)})
    outbox.append("telemetry/device", b"kept", NOON)
    for number in range(20):
        outbox.append("telemetry/flood", b"%03d" % number + b"x" * 97, NOON)
    figures = of(outbox, "flood")
    assert (figures.queued_bytes <= 1000, figures.accepted) == (True, 20)
    assert figures.dropped == (("stream_full", 20 - figures.queued),)
    assert of(outbox, "device").queued == 1
    assert [int(body[:3]) for topic, body in drain(outbox) if "flood" in topic] == list(
        range(20 - figures.queued, 20)
    )


def test_where_room_is_wanted_the_lowest_priority_goes_first(make: Make) -> None:
    outbox = make({"junk": StreamPolicy(priority=0), "alarm": StreamPolicy(priority=2)}, max_bytes=2000)
    for topic in ("telemetry/alarm", "telemetry/junk", "telemetry/device", "event/e"):
        for number in range(3):
            outbox.append(topic, b"%d" % number + b"x" * 99, NOON)
    outbox.figures()
    for number in range(6):
        outbox.append("telemetry/alarm", b"%d" % number + b"y" * 99, NOON)
    left = Counter(topic for topic, _ in drain(outbox))
    assert "telemetry/junk" not in left
    assert (left["event/e"], left["telemetry/alarm"]) == (3, min(9, left["telemetry/alarm"]))


def test_an_age_of_its_own(make: Make, clock: FakeClock) -> None:
    outbox = make({"short": StreamPolicy(max_age_s=60), "long": StreamPolicy(max_age_s=600)})
    outbox.append("telemetry/short", b"1", NOON)
    outbox.append("telemetry/long", b"2", NOON)
    clock.advance(61)
    assert drain(outbox) == [("telemetry/long", b"2")]
    assert of(outbox, "short").dropped == (("age", 1),)


def test_every_stream_counts_exactly(make: Make, clock: FakeClock) -> None:
    outbox = make({"a": StreamPolicy(max_bytes=3 * (COST + 12 + 1), max_age_s=100)}, max_bytes=100_000)
    for _ in range(10):
        outbox.append("telemetry/a", b"1", NOON)
        outbox.append("event/x", b"2", NOON)
    outbox.append("telemetry/a", b"x" * 5000, NOON)
    for message in outbox.head(4):
        outbox.sent(message)
    clock.advance(200)
    outbox.append("telemetry/a", b"1", NOON)
    outbox.head()
    for one in outbox.figures().streams:
        assert one.accepted == one.delivered + one.queued + sum(count for _, count in one.dropped)
    assert of(outbox, "a").accepted == 12
    assert {"age", "oversized", "stream_full"} >= {reason for reason, _ in of(outbox, "a").dropped}
    total = outbox.figures()
    assert total.accepted == 22 == total.delivered + total.queued + total.dropped


def test_what_the_far_side_refused_is_gone_and_counts_as_dropped(make: Make) -> None:
    outbox = make()
    for body in (b"refused", b"taken"):
        outbox.append("telemetry/device", body, NOON)
    refused, taken = outbox.head()
    outbox.sent(refused, taken=False)
    outbox.sent(refused, taken=False)
    outbox.sent(taken)
    figures = of(outbox, "device")
    assert (figures.accepted, figures.delivered, figures.dropped) == (2, 1, (("refused", 1),))
    assert outbox.head() == ()


def test_the_oldest_tells_for_how_long_it_has_waited(make: Make, clock: FakeClock) -> None:
    outbox = make()
    outbox.append("telemetry/a", b"1", NOON)
    clock.advance(30)
    outbox.append("telemetry/a", b"2", NOON)
    assert of(outbox, "a").oldest_s == 30
    drain(outbox)
    assert of(outbox, "a").oldest_s == 0


def test_the_broker_is_told_what_the_producer_or_the_stream_says(make: Make) -> None:
    outbox = make({"a": StreamPolicy(expiry_s=60), "b": StreamPolicy()})
    outbox.append("telemetry/a", b"", NOON)
    outbox.append("telemetry/a", b"", NOON, expiry_s=5)
    outbox.append("telemetry/b", b"", NOON)
    assert [message.expiry_s for message in outbox.head()] == [60, 5, None]


def test_shares_are_one_each_in_turn_the_higher_priority_first() -> None:
    def rank(stream: str) -> int:
        return {"event": 3}.get(stream, 1)

    assert shares({"a": 100, "b": 1, "event": 100}, rank, 7) == {"event": 3, "a": 3, "b": 1}
    assert shares({"a": 100, "event": 1}, rank, 1) == {"event": 1}
    assert shares({}, rank, 5) == {}
    assert shares({"a": 3}, rank, 0) == {}


def test_all_streams_of_the_lowest_priority_are_the_cheapest() -> None:
    assert cheapest({"a": 1, "b": 1, "event": 1}, lambda stream: 3 if stream == "event" else 1) == ["a", "b"]
    assert cheapest({}, lambda _: 1) == []
