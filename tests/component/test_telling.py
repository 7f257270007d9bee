"""What is told of a cycle: notes, events, the reported document, the headline."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edgetender.decide.safe_mode import MOST, Failed, held_back
from edgetender.eventlog import EventLog
from edgetender.model.figures import CycleFigures
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.upstream import Link
from edgetender.publisher import Publisher
from tests.builders.loops import Loop, deployed
from tests.builders.manifests import manifest, module
from tests.fakes.store import FakeOutbox


class Gauges:
    def __init__(self) -> None:
        self.last = CycleFigures()

    def cycle(self, figures: CycleFigures) -> None:
        self.last = figures

    def engine(self, *, up: bool, health: str) -> None:
        self.last = replace(self.last, engine_up=up, health=health)


def publisher_of(
    loop: Loop, outbox: FakeOutbox, headlines: list[str], gauges: Gauges | None = None, **more: Any
) -> Publisher:
    return Publisher(
        device="line3-cam7", clock=loop.clock, outbox=outbox, link=lambda: Link("none", connected=False),
        hardware=Hardware, figures=dict, gauges=gauges or Gauges(), told=headlines.append, ledger=Ledger(), pulls=tuple,
        events=EventLog("line3-cam7", outbox, loop.clock.now()), **more,
    )  # fmt: skip


def test_a_full_disk_is_a_note_in_the_status_until_it_is_over():
    loop = deployed()
    publisher = publisher_of(loop, FakeOutbox(), [])
    publisher.publish(replace(loop.last, trouble="cannot write state.db: the disk is full"))
    assert publisher.status()["notes"] == ["cannot write state.db: the disk is full"]
    publisher.publish(loop.last)
    assert publisher.status()["notes"] == []


def test_the_status_says_that_the_engine_hangs_while_the_cycle_waits_for_it():
    loop = deployed()
    publisher = publisher_of(loop, FakeOutbox(), [], silent=lambda: loop.silent)
    publisher.publish(loop.last)
    assert (publisher.status()["engine"], publisher.status()["health"]) == ({"down": None}, "healthy")
    loop.silent = "cannot reach the engine: no full answer in 3 s"
    assert publisher.status()["engine"] == {"down": loop.silent}
    assert publisher.status()["health"] != "healthy"


def told(outbox: FakeOutbox, topic: str) -> list[Any]:
    return [json.loads(one.body) for one in outbox.head(50) if one.topic == topic]


def test_upstream_hears_that_the_engine_hangs_while_the_cycle_waits_for_it_and_that_it_answers_again():
    loop, outbox, gauges, headlines = deployed(), FakeOutbox(), Gauges(), list[str]()
    publisher = publisher_of(loop, outbox, headlines, gauges, silent=lambda: loop.silent)
    publisher.heard()  # nothing was looked at yet
    publisher.publish(loop.last)
    snapshot, turn = publisher.snapshot(), publisher._events.wait(-1, 0)
    loop.silent = "cannot reach the engine: no full answer in 3 s"
    publisher.heard()
    (document,) = told(outbox, "reported")
    assert (document["engine"], document["health"]) == ({"down": loop.silent}, "engine down")
    assert [one["why"] for one in told(outbox, "event/engine.down")] == [loop.silent]
    assert (gauges.last.engine_up, gauges.last.health) == (False, "engine down")
    assert publisher._events.wait(turn, 0) != turn  # who follows the status looks again
    assert (publisher.snapshot(), len(headlines)) == (
        snapshot,
        1,
    )  # the loop's own, and no sign of life of it

    loop.silent = None
    publisher.heard()
    (document,) = told(outbox, "reported")
    assert (document["engine"], document["health"]) == ({"down": None}, "healthy")
    assert len(told(outbox, "event/engine.back")) == 1
    assert gauges.last.engine_up


def test_a_cycle_that_ends_while_the_engine_hangs_says_nothing_else():
    loop, outbox, gauges = deployed(), FakeOutbox(), Gauges()
    publisher = publisher_of(loop, outbox, [], gauges, silent=lambda: loop.silent)
    publisher.publish(loop.last)
    loop.silent = "it hangs"
    for _ in range(2):
        publisher.heard()
        publisher.publish(loop.last)  # it had looked before
        assert told(outbox, "reported")[0]["engine"] == {"down": "it hangs"}
        assert not gauges.last.engine_up
    loop.cycle()
    publisher.publish(loop.last)
    loop.silent = None
    loop.cycle()
    publisher.publish(loop.last)
    assert len(told(outbox, "event/engine.down")) == len(told(outbox, "event/engine.back")) == 1


def test_an_engine_that_is_down_when_the_agent_starts_is_a_state_and_no_event():
    loop, outbox = Loop(silent="it is not there yet"), FakeOutbox()
    loop.cycle()
    publisher_of(loop, outbox, []).publish(loop.last)
    assert (told(outbox, "reported")[0]["engine"], told(outbox, "event/engine.down")) == (
        {"down": loop.silent},
        [],
    )


def test_what_changed_is_told_upstream_once_and_the_headline_feeds_the_watchdog():
    loop, outbox, headlines = deployed(), FakeOutbox(), []
    publisher = publisher_of(loop, outbox, headlines)
    for cycle in (*loop.cycles, loop.last):
        publisher.publish(cycle)
    topics = [message.topic for message in outbox.head(50)]
    assert set(topics[:2]) == {"birth", "reported"}
    assert topics.count("event/deployment.applying") == topics.count("event/deployment.applied") == 1
    assert headlines[-1] == "healthy: version 1, 1 of 1 modules ready"
    assert len(headlines) == len(loop.cycles) + 1


def test_a_refused_manifest_is_an_event_with_its_reasons():
    loop, outbox = deployed(), FakeOutbox()
    publisher = publisher_of(loop, outbox, [])
    publisher.publish(loop.last)
    other = manifest(1, scorer=module(env={"A": "1"}))
    loop.push(other)
    loop.cycle()
    publisher.publish(loop.last)

    (told,) = [json.loads(one.body) for one in outbox.head(50) if one.topic == "event/deployment.refused"]

    assert "manifest.equivocation" in str(told)


def test_what_a_new_version_waits_for_is_a_figure_until_it_waits_no_more():
    loop, gauges = deployed(), Gauges()
    publisher = publisher_of(loop, FakeOutbox(), [], gauges)
    loop.wish("hold")
    loop.push(manifest(2, scorer=module(env={"A": "1"})))
    loop.run(2)
    publisher.publish(loop.last)
    assert gauges.last.waiting == (("download", "hold.operator"), ("apply", "hold.operator"))
    loop.wish("release")
    loop.run(2)
    publisher.publish(loop.last)
    assert gauges.last.waiting == ()


def overs(loop: Loop) -> list[dict[str, Any]]:
    """What the events `hold.over` of the newest cycles say, but for what every event says."""
    outbox = FakeOutbox()
    publisher = publisher_of(loop, outbox, [])
    for cycle in loop.cycles:
        publisher.publish(cycle)
    return [
        {name: one[name] for name in ("module", "by", "reason")} for one in told(outbox, "event/hold.over")
    ]


def test_the_end_of_a_hold_says_who_ended_it():
    loop = deployed()
    for wish in ({}, {"module": "scorer"}, {"for_s": 5}):
        loop.wish("hold", **wish)
        loop.run(2)
        if "for_s" not in wish:
            loop.wish("release", **wish)
        loop.run(10)
    by_hand = {"by": "cli (uid 0)", "reason": "released"}
    assert overs(loop) == [
        {"module": None, **by_hand},
        {"module": "scorer", **by_hand},
        {"module": None, "by": None, "reason": "its time is over"},
    ]


def test_a_hold_that_is_set_and_released_again_is_not_told_to_be_ended_by_who_ended_the_one_before():
    loop = deployed()
    loop.wish("hold")
    loop.run(2)
    loop.wish("release")
    loop.wish("hold", for_s=5)
    loop.run(10)
    assert overs(loop) == [{"module": None, "by": None, "reason": "its time is over"}]


@pytest.mark.parametrize(
    ("kind", "by", "reason"),
    [
        ("manifest", "mqtt", "version 3 came"),
        ("rollback", "cli (uid 0)", "rolled back to version 1 by cli (uid 0)"),
        ("release", "cli (uid 0)", "released"),
    ],
)
def test_the_end_of_safe_mode_says_what_ended_it(kind, by, reason):
    loop = deployed()
    loop.push(manifest(2, scorer=module(env={"A": "1"})))
    loop.run(20)
    failed = Failed(loop.boot_number, MOST, "RuntimeError")
    loop.store.commit(held_back(loop.store.ledger(), failed, loop.boot_number, loop.clock.now()))
    loop.boot()
    loop.run(2)
    if kind == "manifest":
        loop.push(manifest(3))
    else:
        loop.wish(kind)
    loop.run(5)
    assert overs(loop) == [{"module": None, "by": by, "reason": reason}]
