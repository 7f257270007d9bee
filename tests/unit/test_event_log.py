"""What happened lately: told once to the cloud and to everybody who looks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from edgetender.eventlog import EventLog
from edgetender.model.topics import EventKind
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.store import FakeOutbox


@pytest.fixture
def outbox() -> FakeOutbox:
    return FakeOutbox(FakeClock())


@pytest.fixture
def log(outbox: FakeOutbox) -> EventLog:
    return EventLog("line3-cam7", outbox, NOON)


def test_an_event_goes_up_once_with_its_time_its_device_and_an_id_of_its_own(
    log: EventLog, outbox: FakeOutbox
) -> None:
    log.tell("module.state", {"module": "scorer"}, NOON)
    log.tell("module.state", {"module": "scorer"}, NOON)
    first, second = (json.loads(message.body) for message in outbox.head())
    assert [message.topic for message in outbox.head()] == ["event/module.state"] * 2
    assert first["id"] != second["id"]
    assert first | {"id": ""} == {
        "id": "", "type": "module.state", "device": "line3-cam7", "at": "2026-11-24T12:00:00.000Z", "module": "scorer",
    }  # fmt: skip
    assert log.recent() == (first, second)


def test_only_the_newest_are_kept_and_only_so_many_told(log: EventLog) -> None:
    for number in range(300):
        log.tell("a", {"number": number}, NOON)
    assert [one["number"] for one in log.recent()] == list(range(44, 300))
    assert [one["number"] for one in log.recent(2)] == [298, 299]
    assert log.recent(0) == ()


def test_who_follows_gets_what_was_and_then_what_happens_until_it_is_closed(log: EventLog) -> None:
    log.tell("a", {"number": 1}, NOON)
    log.tell("a", {"number": 2}, NOON)
    following = log.follow(1)
    got: list[int] = []
    has_two = threading.Event()

    def read() -> None:
        for event in following:
            got.append(event["number"])
            if len(got) == 2:
                has_two.set()

    reader = threading.Thread(target=read)
    reader.start()
    log.tell("a", {"number": 3}, NOON)
    assert has_two.wait(60)
    following.close()
    reader.join(60)
    assert (got, reader.is_alive()) == ([2, 3], False)


@pytest.mark.parametrize(
    ("prefix", "newest"),
    [("module", [1, 3]), ("module.", [1, 3]), ("module.state", [0, 3]), ("modul", []), ("", [3, 4])],
)
def test_so_many_of_a_type_are_the_newest_of_that_type(log: EventLog, prefix: str, newest: list[int]) -> None:
    said = (EventKind.MODULE_STATE, EventKind.MODULE_ENDED, EventKind.APPLIED, EventKind.MODULE_STATE)
    for number, kind in enumerate((*said, EventKind.CHECK_FAILED)):
        log.tell(kind, {"number": number}, NOON)
    assert [one["number"] for one in log.recent(2, prefix)] == newest


def test_who_follows_a_type_gets_so_many_of_it_and_then_only_what_is_of_it(log: EventLog) -> None:
    for kind in (EventKind.CHECK_FAILED, EventKind.APPLIED, EventKind.APPLIED):
        log.tell(kind, {}, NOON)
    following = log.follow(1, "check")
    for kind in (EventKind.APPLIED, EventKind.CHECK_PASSED):
        log.tell(kind, {}, NOON)
    assert [next(following)["type"] for _ in range(2)] == ["check.failed", "check.passed"]


def test_waiting_ends_when_something_changed_since(log: EventLog) -> None:
    turn = log.wait(-1, 0)
    assert log.wait(turn, 0.01) == turn
    log.nudge()
    assert log.wait(turn, 10) != turn


class Watched(FakeOutbox):
    """Has *look* called while an event is on its way to the disk."""

    look: Callable[[], object] = staticmethod(lambda: None)

    def append(self, *given: Any, **named: Any) -> Any:
        self.look()
        return super().append(*given, **named)


def test_who_looks_while_an_event_is_being_written_down_is_told_of_it_afterwards() -> None:
    outbox = Watched(FakeClock())
    log = EventLog("line3-cam7", outbox, NOON)
    told: list[str] = []
    number = 0

    def look() -> None:
        nonlocal number
        number, found = log.since(number)
        told.extend(event["module"] for event in found)

    outbox.look = look
    for module in "ab":
        log.tell("module.state", {"module": module}, NOON)
    look()
    assert told == ["a", "b"]
