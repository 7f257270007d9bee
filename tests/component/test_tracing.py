"""From `push` to `running`: which events of a device say which push began them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from edgetender.model.trace import carrying
from tests.builders.loops import Loop, deployed
from tests.builders.manifests import SCORER, body, image, manifest, module
from tests.component.test_telling import publisher_of
from tests.fakes.store import FakeOutbox

FIRST = "00-11111111111111111111111111111111-00f067aa0ba902b7-01"
SECOND = "00-22222222222222222222222222222222-00f067aa0ba902b7-01"
OTHER = image("scorer", "2")


def traced(version: int, parent: str, **more: Any) -> bytes:
    return carrying(body(manifest(version, scorer=module(**more))), parent)


def told(loop: Loop) -> list[tuple[str, str | None]]:
    """The events of all cycles, with the trace each names."""
    outbox = FakeOutbox()
    publisher = publisher_of(loop, outbox, [])
    for cycle in loop.cycles:
        publisher.publish(cycle)
    events = [json.loads(one.body) for one in outbox.head(500) if one.topic.startswith("event/")]
    return [(event["type"], event.get("traceparent")) for event in events]


def test_every_event_from_applying_to_applied_names_the_push_and_what_comes_later_does_not():
    loop = Loop()
    loop.puller.registry |= {SCORER}
    loop.push(traced(1, FIRST))
    loop.run(30)
    events = told(loop)
    assert {kind for kind, _ in events} == {"deployment.applying", "deployment.applied", "module.state"}
    assert {parent for _, parent in events} == {FIRST}
    loop.refusals["/healthz"] = "it is busy"
    loop.wish("restart", module="scorer")
    loop.run(30)
    assert {parent for _, parent in told(loop)[len(events) :]} == {None}


def test_what_is_taken_back_names_the_push_that_brought_it():
    loop = deployed(None, OTHER)
    before = len(told(loop))
    loop.push(traced(2, SECOND, image=OTHER, health={"http": {"path": "/never"}, "deadline": "5s"}))
    loop.refusals["/never"] = "no"
    loop.run(90)
    events = told(loop)[before:]
    assert ("deployment.applying", SECOND) in events
    assert ("deployment.rolled_back", SECOND) in events
    assert ("module.state", SECOND) in events


def test_a_refused_manifest_names_its_push_and_one_that_is_none_too():
    loop = deployed()
    loop.push(carrying(body(manifest(1, scorer=module(env={"A": "1"}))), FIRST))
    loop.cycle()
    loop.push(carrying(b'{"version":2}', SECOND))
    loop.cycle()
    assert told(loop)[-2:] == [("deployment.refused", FIRST), ("deployment.refused", SECOND)]


def test_an_agent_that_starts_anew_meanwhile_goes_on_with_the_trace():
    loop = Loop()
    loop.puller.registry |= {SCORER}
    loop.push(traced(1, FIRST))
    loop.cycle()
    loop.boot()
    loop.run(30)
    assert ("deployment.applied", FIRST) in told(loop)
    assert loop.store.history()[0].trace == FIRST


def test_the_same_manifest_pushed_again_is_the_same_and_keeps_the_trace_that_brought_it():
    loop = Loop()
    loop.puller.registry |= {SCORER}
    loop.push(traced(1, FIRST))
    loop.run(30)
    before = told(loop)
    loop.push(traced(1, SECOND))
    loop.run(5)
    assert told(loop) == before
    assert loop.store.ledger().accepted == replace(loop.store.ledger().accepted, trace=FIRST)


def test_a_person_who_goes_back_begins_no_trace_and_ends_the_one_of_what_was_left():
    loop = deployed(None, OTHER)
    loop.push(traced(2, SECOND, image=OTHER))
    loop.run(30)
    before = len(told(loop))
    loop.wish("rollback", to=1)
    loop.run(30)
    events = told(loop)[before:]
    assert events[0] == ("deployment.rolled_back", SECOND)
    assert {parent for _, parent in events[1:]} == {None}
