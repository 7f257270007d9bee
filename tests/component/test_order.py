"""Several modules: who starts after whom, and what the new version has no more goes last."""

from __future__ import annotations

from edgetender.model.observed import Status
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module

DB, NEXT, BAD = image("db"), image("db", "b"), image("bad")
PROBED = {"http": {"path": "/db"}, "deadline": "60s"}


def stack(version: int, db: str = DB, **more: object) -> dict[str, object]:
    modules = {"db": module(image=db, health=PROBED), "scorer": module(depends_on=["db"]), **more}
    return {**manifest(version, **modules), "update": {"settle": 2}}


def test_a_module_starts_after_what_it_depends_on_is_ready():
    loop = Loop()
    loop.puller.registry |= {SCORER, DB}
    loop.refusals["/db"] = "still loading"
    loop.push(stack(1))
    loop.run(10)
    assert running(loop) == {"db": DB}
    assert loop.last.plan.queued == (("scorer", "starts when db can serve"),)
    loop.refusals.clear()
    loop.run(10)
    assert running(loop) == {"db": DB, "scorer": SCORER}
    assert loop.last.ledger.accepted.version == 1


def test_what_serves_goes_on_while_its_successor_waits_for_others():
    loop = deployed(stack(1), DB, NEXT)
    loop.refusals["/db"] = "still loading"
    changed = stack(2, NEXT)
    changed["modules"]["scorer"]["env"] = {"V": "2"}
    loop.push(changed)
    loop.run(5)
    old = next(c for c in loop.engine.containers() if c.module == "scorer" and c.status is Status.RUNNING)
    assert old.version == 1
    loop.refusals.clear()
    loop.run(10)
    assert [c.version for c in loop.engine.containers() if c.module == "scorer"] == [2]


def test_one_bad_module_takes_all_of_its_version_back():
    loop = deployed(stack(1), DB, NEXT, BAD)
    changed = stack(2, NEXT, extra=module(image=BAD, health={"http": {"path": "/bad"}, "deadline": "2s"}))
    loop.refusals["/bad"] = "500"
    loop.push(changed)
    loop.run(30)
    assert running(loop) == {"db": DB, "scorer": SCORER}
    assert loop.last.ledger.desired.code == 417


def test_what_the_new_version_has_no_more_goes_after_the_rest_is_ready():
    loop = deployed(stack(1, legacy=module(image=BAD)), DB, NEXT, BAD)
    loop.refusals["/db"] = "still loading"
    loop.push(stack(2, NEXT))
    loop.run(5)
    assert "legacy" in running(loop)
    loop.refusals.clear()
    loop.run(10)
    assert running(loop) == {"db": NEXT, "scorer": SCORER}


def test_a_module_that_was_renamed_gives_its_port_to_its_new_name():
    loop = deployed(manifest(1, old=module(ports=["9000:5001"])))
    loop.push(manifest(2, new=module(ports=["9000:5001"])))
    loop.run(30)
    assert running(loop) == {"new": SCORER}
    assert loop.last.ledger.accepted.version == 2
