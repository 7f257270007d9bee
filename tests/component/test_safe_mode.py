"""The loop of an agent that holds itself back: what was accepted runs, and a person or a manifest ends it."""

from __future__ import annotations

import pytest

from edgetender.decide.gating import passage_of
from edgetender.decide.safe_mode import MOST, Failed, held_back, safe_mode
from edgetender.model.target import Target
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module

NEXT, LATER = image("scorer", "b"), image("scorer", "c")


def restarted_in_safe_mode(loop: Loop) -> None:
    failed = Failed(loop.boot_number, MOST, "RuntimeError")
    loop.store.commit(held_back(loop.store.ledger(), failed, loop.boot_number, loop.clock.now()))
    loop.boot()


def beginning(loop: Loop) -> Loop:
    """Version 2 has begun and is not ready, when the agent fails."""
    loop.puller.registry |= {NEXT, LATER}
    health = {"http": {"path": "/never", "port": 5001}, "deadline": 600}
    loop.push(manifest(2, scorer=module(image=NEXT, health=health)))
    loop.refusals["/never"] = "answered 503"
    loop.run(10)
    assert passage_of(loop.last.ledger).began
    assert running(loop) == {"scorer": NEXT}
    restarted_in_safe_mode(loop)
    return loop


def test_a_version_that_had_begun_makes_way_for_the_accepted_one():
    loop = beginning(deployed())
    loop.run(30)
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.target.version == 1
    assert loop.last.ledger.candidate.version == 2
    assert loop.last.ledger.condemned == {}
    assert loop.last.target.gate.apply.code == "hold.operator"
    assert "safe mode" in loop.last.target.gate.apply.why


def test_what_was_accepted_is_kept_running():
    loop = deployed()
    restarted_in_safe_mode(loop)
    (container,) = loop.engine.containers()
    loop.engine.crash(container.id, 3)
    loop.run(30)
    assert running(loop) == {"scorer": SCORER}


def test_with_nothing_accepted_what_runs_is_left_alone():
    loop = Loop()
    loop.store.commit(loop.store.ledger())
    loop = beginning(loop)
    effects = len(loop.engine.effects)
    loop.run(60)
    assert running(loop) == {"scorer": NEXT}
    assert len(loop.engine.effects) == effects
    assert loop.last.target.containers == Target().containers


def test_a_person_ends_it_and_the_candidate_goes_on():
    loop = beginning(deployed())
    loop.run(10)
    loop.refusals.clear()
    number = loop.wish("release")
    loop.run(60)
    assert loop.store.decision(number).code == 200
    assert safe_mode(loop.last.ledger) is None
    assert loop.last.ledger.accepted.version == 2
    assert running(loop) == {"scorer": NEXT}


def test_another_manifest_ends_it_and_is_applied():
    loop = beginning(deployed())
    loop.run(10)
    loop.push(manifest(3, scorer=module(image=LATER)))
    loop.run(60)
    assert safe_mode(loop.last.ledger) is None
    assert loop.last.ledger.accepted.version == 3
    assert running(loop) == {"scorer": LATER}


def test_a_rollback_by_hand_ends_it():
    loop = beginning(deployed())
    loop.run(10)
    loop.wish("rollback")
    loop.run(10)
    assert safe_mode(loop.last.ledger) is None
    assert loop.last.ledger.candidate is None


@pytest.mark.parametrize(
    "document", [manifest(1), {"schema": "edgetender/v1"}], ids=["redelivered", "refused"]
)
def test_what_brings_nothing_new_does_not_end_it(document):
    loop = deployed()
    restarted_in_safe_mode(loop)
    loop.push(document)
    loop.run(10)
    assert safe_mode(loop.last.ledger) is not None
