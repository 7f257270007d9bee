"""Room on the engine's disk: which images go for it, and which never."""

from __future__ import annotations

from typing import Any

from edgetender.errors import DiskFull
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import image, manifest, module

ONE, TWO, THREE, FOUR, BAD = (image("scorer", digit) for digit in "12345")
FOREIGN = image("somebody-else", "9")


def version(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {**manifest(number, scorer=module(image=name, **more)), "update": {"settle": 1}}


def aged(*names: str, keep_free_bytes: int = 0, free: int = 10**12) -> Loop:
    """A device that had each of *names* in turn, and beside them an image of somebody else's."""
    loop = deployed(version(1, names[0]), ONE, TWO, THREE, FOUR, BAD)
    loop.world.images.add(FOREIGN)
    for number, name in enumerate(names[1:], 2):
        loop.push(version(number, name))
        loop.run(10)
    loop.engine.free, loop.keep_free_bytes = free, keep_free_bytes
    loop.boot()
    return loop


def test_with_room_enough_every_image_stays():
    loop = aged(ONE, TWO, THREE, keep_free_bytes=10**9)
    loop.run(10)
    assert loop.world.images == {ONE, TWO, THREE, FOREIGN}


def test_short_of_room_what_no_way_leads_back_to_goes_and_the_rollback_set_stays():
    loop = aged(ONE, TWO, THREE, keep_free_bytes=10**9, free=10**6)
    loop.run(10)
    assert loop.world.images == {TWO, THREE, FOREIGN}
    loop.puller.registry.clear()
    loop.wish("rollback")
    loop.run(10)
    assert running(loop) == {"scorer": TWO}


def test_the_candidate_s_images_stay_too():
    loop = aged(ONE, TWO, THREE)
    loop.refusals["/slow"] = "still loading"
    loop.push(version(4, FOUR, health={"http": {"path": "/slow"}, "deadline": "90s"}))
    loop.run(5)
    loop.engine.free, loop.keep_free_bytes = 0, 10**9
    loop.boot()
    loop.run(5)
    assert loop.world.images == {TWO, THREE, FOUR, FOREIGN}


def test_images_of_condemned_versions_go_first():
    loop = aged(ONE, TWO, THREE)
    loop.refusals["/bad"] = "500"
    loop.push(version(4, BAD, health={"http": {"path": "/bad"}, "deadline": "2s"}))
    loop.run(20)
    assert loop.last.ledger.desired.code == 417
    loop.keep_free_bytes = 10**9
    loop.boot()
    loop.engine.free = 10**6
    loop.cycle()
    assert [effect for effect in loop.engine.effects if effect[0] == "remove_image"] == [
        ("remove_image", BAD)
    ]


def test_a_pull_that_finds_no_room_gets_it_from_images_nobody_needs_and_goes_on_at_once():
    loop = aged(ONE, TWO, THREE)
    loop.puller.errors[FOUR] = DiskFull("cannot pull: it needs about 2 GiB")
    loop.push(version(4, FOUR))
    loop.cycle()
    loop.cycle()
    loop.puller.errors.clear()
    loop.run(15)
    assert ONE not in loop.world.images
    assert running(loop) == {"scorer": FOUR}
    assert TWO in loop.world.images


def test_with_nothing_to_remove_a_full_disk_is_waited_for():
    loop = aged(ONE)
    loop.puller.errors[TWO] = DiskFull("cannot pull: it needs about 2 GiB")
    loop.push(version(2, TWO))
    loop.run(20)
    assert loop.world.images == {ONE, FOREIGN}
    assert running(loop) == {"scorer": ONE}


def test_an_image_that_was_here_before_is_nobody_s_to_remove():
    loop = deployed(version(1, ONE), ONE, TWO, THREE)
    loop.world.images |= {TWO}
    for number, name in ((2, TWO), (3, THREE), (4, ONE)):
        loop.push(version(number, name))
        loop.run(10)
    loop.engine.free, loop.keep_free_bytes = 0, 10**9
    loop.boot()
    loop.run(10)
    assert TWO in loop.world.images


def test_while_the_device_is_held_no_image_goes():
    loop = aged(ONE, TWO, THREE, keep_free_bytes=10**9, free=10**6)
    loop.wish("hold")
    loop.run(10)
    assert ONE in loop.world.images


def test_an_image_that_cannot_be_removed_hinders_no_other():
    loop = aged(ONE, TWO, THREE, FOUR, keep_free_bytes=10**9, free=10**6)
    loop.engine.fail_on("remove_image", DiskFull("cannot remove: the engine's disk is full"))
    loop.run(60)
    assert loop.world.images == {THREE, FOUR, FOREIGN}
