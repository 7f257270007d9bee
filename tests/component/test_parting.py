"""`atomic: false`: one bad module stays as it was, and the rest of the new version is accepted without it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.parting import parted
from edgetender.model.ledger import Ledger
from edgetender.model.reading import read_manifest
from tests.builders.effort import examples
from tests.builders.ledgers import holding
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module
from tests.builders.worlds import manifests

NEXT, SIDE, BAD = image("scorer", "b"), image("side"), image("bad")
DEADLY = {"http": {"path": "/bad"}, "deadline": "2s"}


def version(number: int, *, atomic: bool = False, **modules: Any) -> dict[str, Any]:
    return {**manifest(number, **modules), "update": {"settle": 1, "atomic": atomic}}


def first() -> Loop:
    loop = deployed(version(1, scorer=module(), side=module(image=SIDE)), NEXT, SIDE, BAD)
    loop.refusals["/bad"] = "500"
    return loop


def bad_side(*, atomic: bool = False) -> dict[str, Any]:
    return version(2, atomic=atomic, scorer=module(image=NEXT), side=module(image=BAD, health=DEADLY))


def test_the_bad_module_stays_as_it_was_and_the_others_are_accepted():
    loop = first()
    loop.push(bad_side())
    loop.run(30)
    assert running(loop) == {"scorer": NEXT, "side": SIDE}
    desired = loop.last.ledger.desired
    assert (loop.last.ledger.accepted.version, desired.version, desired.code) == (2, 2, 206)
    assert desired.description == "running, but for what was taken back: module side: not ready: 500"
    assert [(e.version, e.result) for e in loop.store.history()] == [(2, "running"), (1, "superseded")]


def test_all_or_none_is_what_nobody_has_to_ask_for():
    loop = first()
    loop.push(bad_side(atomic=True))
    loop.run(30)
    assert running(loop) == {"scorer": SCORER, "side": SIDE}
    assert loop.last.ledger.desired.code == 417


def test_what_was_parted_does_not_come_back_by_redelivery():
    loop = first()
    for _ in range(3):
        loop.push(bad_side())
        loop.run(20)
    assert running(loop) == {"scorer": NEXT, "side": SIDE}
    assert loop.last.ledger.desired.code == 206
    assert loop.last.ledger.candidate is None


def test_a_new_module_that_is_no_good_is_left_out():
    loop = first()
    added = {
        "scorer": module(image=NEXT),
        "side": module(image=SIDE),
        "new": module(image=BAD, health=DEADLY),
    }
    loop.push(version(2, **added))
    loop.run(30)
    assert running(loop) == {"scorer": NEXT, "side": SIDE}


def test_where_others_depend_on_it_all_of_it_goes_back():
    loop = first()
    added = {
        "scorer": module(image=NEXT, depends_on=["new"]),
        "side": module(image=SIDE),
        "new": module(image=BAD, health=DEADLY),
    }
    loop.push(version(2, **added))
    loop.run(30)
    assert running(loop) == {"scorer": SCORER, "side": SIDE}
    assert loop.last.ledger.desired.code == 417


def test_with_nothing_left_of_it_the_version_goes_back():
    loop = first()
    loop.push(version(2, scorer=module(), side=module(image=BAD, health=DEADLY)))
    loop.run(30)
    assert running(loop) == {"scorer": SCORER, "side": SIDE}
    assert loop.last.ledger.desired.code == 417


def test_tags_stay_what_they_were_resolved_to_for_each_part():
    loop = Loop()
    loop.refusals["/bad"] = "500"
    loop.puller.registry |= {SCORER, NEXT, SIDE, BAD}
    loop.puller.tags |= {"registry.example/scorer:1": SCORER, "registry.example/side:1": SIDE}
    old = {"scorer": "registry.example/scorer:1", "side": "registry.example/side:1"}
    loop.push(version(1, **{name: module(image=tag) for name, tag in old.items()}))
    loop.run(15)
    loop.puller.tags |= {"registry.example/scorer:2": NEXT, "registry.example/side:2": BAD}
    loop.push(
        version(
            2,
            scorer=module(image="registry.example/scorer:2"),
            side=module(image="registry.example/side:2", health=DEADLY),
        )
    )
    loop.run(5)
    loop.puller.registry.clear()
    asked = len(loop.puller.submitted)
    loop.run(30)
    assert running(loop) == {"scorer": NEXT, "side": SIDE}
    assert len(loop.puller.submitted) == asked


def test_two_bad_modules_are_left_one_after_the_other():
    loop = deployed(
        version(1, scorer=module(), side=module(image=SIDE), third=module(image=SIDE)), NEXT, SIDE, BAD
    )
    loop.refusals["/bad"] = "500"
    bad = module(image=BAD, health=DEADLY)
    loop.push(version(2, scorer=module(image=NEXT), side=bad, third=bad))
    loop.run(40)
    assert running(loop) == {"scorer": NEXT, "side": SIDE, "third": SIDE}
    assert (
        "module side: not ready: 500 and module third: not ready: 500" in loop.last.ledger.desired.description
    )


@examples(100)
@given(manifests(1), manifests(2), st.sampled_from("abc"))
def test_the_rest_is_a_manifest_of_which_each_module_is_whole(old: Any, new: Any, name: str):
    new = {**new, "update": {"settle": 2, "atomic": False}}
    before = holding(old, new)
    after: Ledger | None = parted(before, name, "it crashed")
    if after is None:
        return
    rest = read_manifest(after.candidate.body.encode()).modules
    was, wanted = (read_manifest(slot.body.encode()).modules for slot in (before.accepted, before.candidate))
    assert rest.keys() == (wanted.keys() - {name}) | ({name} & was.keys())
    assert all(one == (was if module == name else wanted)[module] for module, one in rest.items())
    assert rest != was
    assert (after.candidate.version, after.candidate.sha256 != before.candidate.sha256) == (2, True)
    assert after.floor_sha256 == before.floor_sha256
