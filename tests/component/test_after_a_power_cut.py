"""The power went: hollow images are neither shown nor started, and pulled anew; what was synced is used at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgetender.engine.proven import ProvenEngine
from edgetender.errors import ImageCorrupt
from edgetender.model.image import parse_reference
from edgetender.model.target import ContainerSpec
from edgetender.store.marks import BootMarks
from tests.builders.loops import Loop, running
from tests.builders.manifests import SCORER, image, manifest, module
from tests.fakes.engine import FakeEngine

NEXT = image("scorer", "b")


@dataclass
class Ground:
    """The disk below a fake engine: *hollow* images are listed and damaged."""

    engine: FakeEngine
    hollow: set[str] = field(default_factory=set)
    hollow_once: set[str] = field(default_factory=set)
    settled: int = 0
    read: list[str] = field(default_factory=list)

    def settle(self) -> None:
        self.settled += 1

    def flaw(self, image: str) -> str | None:
        self.read.append(image)
        damaged = image in self.hollow | self.hollow_once
        self.hollow_once.discard(image)
        return "layer sha256:0123 is damaged or missing" if damaged else None


class Device:
    """A loop on a proven engine that boots; *registry* is what can be pulled."""

    def __init__(self, home: Path) -> None:
        self.home, self.boots = home, 0
        self.loop = Loop()
        self.raw = self.loop.engine
        self.ground = Ground(self.raw)
        self.boot()

    def boot(self) -> None:
        """The machine starts anew; its containers have ended with it."""
        self.boots += 1
        for container in self.raw.containers():
            if container.running:
                self.raw.crash(container.id, 255)
        self.marks = BootMarks(self.home / "boot.json", self.boots)
        self.engine = ProvenEngine(self.raw, self.ground, self.marks, lambda: None)
        self.loop.engine = self.engine
        self.loop.boot()

    def prove(self, *wanted: str) -> None:
        self.engine.prove(lambda: wanted, threading.Event())

    def pull(self, name: str) -> None:
        self.raw.registry.add(name)
        self.engine.pull(parse_reference(name), None, lambda _: True)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_pull_is_over_when_its_bytes_are_on_the_disk(device: Device):
    device.pull(SCORER)
    assert device.ground.settled == 1
    assert device.marks.settled == {SCORER}


def test_a_pull_that_ends_while_images_are_listed_is_remembered(device: Device):
    """Pullers have threads of their own: the list may be older than what they settled."""

    class Listing(FakeEngine):
        def images(self) -> frozenset[str]:
            found = super().images()
            if SCORER not in found:
                device.engine.pull(parse_reference(SCORER), None, lambda _: True)
            return found

    device.raw = Listing(world=device.raw.world, registry=[SCORER])
    device.engine = ProvenEngine(device.raw, device.ground, device.marks, lambda: None)
    assert device.engine.images() == frozenset()
    assert device.marks.settled == {SCORER}


def test_what_was_synced_is_used_at_once_after_a_power_cut_and_read_behind_the_scenes(device: Device):
    device.pull(SCORER)
    device.boot()
    assert SCORER in device.engine.images()
    device.prove(SCORER)
    assert device.ground.read == [SCORER]


def test_what_was_removed_and_came_back_by_another_hand_is_not_taken_for_synced(device: Device):
    device.pull(SCORER)
    device.raw.world.images.remove(SCORER)
    device.engine.images()  # as each cycle looks
    device.raw.world.images.add(SCORER)
    device.boot()
    assert SCORER not in device.engine.images()


def test_what_was_not_synced_is_not_there_until_it_was_read(device: Device):
    device.raw.world.images.add(NEXT)
    device.boot()
    assert NEXT not in device.engine.images()
    device.prove(NEXT)
    assert NEXT in device.engine.images()
    assert device.ground.settled == 1


def test_after_a_clean_end_nothing_is_read(device: Device):
    device.raw.world.images.add(NEXT)
    device.marks.end()
    device.boot()
    assert NEXT in device.engine.images()
    device.prove(NEXT)
    assert device.ground.read == []


def test_a_hollow_image_is_taken_away_with_what_was_made_of_it_and_pulled_anew(device: Device):
    device.raw.world.images.add(NEXT)
    device.raw.create(ContainerSpec("scorer", "default", NEXT), 2)
    device.ground.hollow.add(NEXT)
    device.boot()
    device.prove()
    assert device.engine.containers() == ()
    effects = len(device.raw.effects)
    device.ground.hollow.clear()  # what comes is whole
    device.pull(NEXT)
    assert [verb for verb, _ in device.raw.effects[effects:]] == ["remove", "remove_image", "pull"]
    assert NEXT in device.engine.images()
    assert device.marks.settled == {NEXT}


def test_after_a_cut_what_was_pulled_is_read_too_for_it_may_have_found_hollow_layers(device: Device):
    device.boot()
    device.ground.hollow_once.add(NEXT)
    effects = len(device.raw.effects)
    device.pull(NEXT)
    assert [verb for verb, _ in device.raw.effects[effects:]] == ["pull", "remove_image", "pull"]
    assert NEXT in device.engine.images()
    device.marks.end()
    device.boot()
    device.pull(SCORER)  # such layers lie there until somebody finds them
    assert device.ground.read[-1] == SCORER


def test_a_repair_that_changed_nothing_is_none(device: Device):
    device.raw.world.images.add(NEXT)
    device.ground.hollow.add(NEXT)
    device.boot()
    with pytest.raises(ImageCorrupt, match="old layers"):
        device.pull(NEXT)
    assert NEXT not in device.engine.images()


def test_a_hollow_image_whose_container_runs_is_left_to_serve(device: Device):
    device.raw.world.images.add(NEXT)
    device.boot()
    container = device.raw.create(ContainerSpec("scorer", "default", NEXT), 2)
    device.raw.start(container)
    device.ground.hollow.add(NEXT)
    device.prove()
    assert [one.id for one in device.engine.containers()] == [container]
    with pytest.raises(ImageCorrupt, match="it is in use"):
        device.pull(NEXT)
    assert device.raw.containers()[0].running


def deployed(device: Device) -> None:
    """Version 1 serves, of an image that was synced; version 2's came right before the power went."""
    device.pull(SCORER)
    device.loop.puller.registry |= {SCORER, NEXT}
    device.loop.push(manifest(1))
    device.loop.run(30)
    assert running(device.loop) == {"scorer": SCORER}
    device.raw.world.images.add(NEXT)
    device.loop.push(manifest(2, scorer=module(image=NEXT)))
    device.ground.hollow.add(NEXT)
    device.boot()


def test_the_version_before_serves_while_the_new_image_is_hollow_and_no_registry_answers(device: Device):
    deployed(device)
    device.loop.puller.registry.clear()
    device.prove(SCORER, NEXT)
    device.loop.run(60)
    assert running(device.loop) == {"scorer": SCORER}
    assert device.loop.last.ledger.candidate.version == 2


def test_a_hollow_image_never_starts_and_the_new_version_runs_once_it_is_whole(device: Device):
    deployed(device)
    device.loop.puller.registry.clear()  # its pulls are ours
    device.prove(SCORER, NEXT)
    device.loop.run(5)
    assert [effect for effect in device.raw.effects if effect[0] == "create"] == [("create", "scorer")]
    device.ground.hollow.clear()
    device.pull(NEXT)
    device.loop.run(60)
    assert running(device.loop) == {"scorer": NEXT}
