"""The power goes at every single effect of a device's life, before it and after it: the end is the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgetender.errors import ImageMissing
from edgetender.model.observed import Status
from edgetender.store.state import SqliteStore
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import body, image, manifest, module
from tests.fakes.power import Power, PowerCut

PARTS = 6  # of the sweep, so that it runs on several cores
ONE, TWO, GONE, NEVER_READY = (image("scorer", digit) for digit in "1234")
SIDE = image("side")


def version(number: int, scorer: str) -> bytes:
    health = {"http": {"path": "/never"}, "deadline": "1s"} if scorer == NEVER_READY else {}
    modules = {
        "scorer": module(image=scorer, ports=["9000:5001"], health=health),
        "side": module(image=SIDE),
    }
    return body({**manifest(number, **modules), "update": {"settle": 2}})


LIFE = (
    ("manifest", version(1, ONE)),
    ("manifest", version(2, TWO)),
    ("manifest", version(3, GONE)),
    ("manifest", version(4, NEVER_READY)),
    ("rollback", b'{"to": 1}'),
)


@dataclass
class Device:
    """A loop on a real database. The far side repeats a manifest until it is acknowledged, a person does not."""

    folder: Path
    power: Power
    acknowledged: list[int] = field(default_factory=list)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.loop = Loop(store=SqliteStore(self.folder / "state.db"))
        self.loop.puller.registry |= {ONE, TWO, NEVER_READY, SIDE}
        self.loop.refusals["/never"] = "still loading"
        self.loop.puller.errors[GONE] = ImageMissing("cannot pull: no such image")
        self.loop.boot(self.power)

    def live(self) -> None:
        for kind, wish in LIFE:
            self.say(kind, wish)
            self.run(5.0)
        self.run(3.0)
        self.loop.store.close()

    def say(self, kind: str, wish: bytes) -> None:
        store, now = self.power.feed(self.loop.store), self.loop.clock.now()
        try:
            self.acknowledged.append(store.deliver(kind, "far side", wish, now))
        except PowerCut:
            self.reboot()
            if kind == "manifest" or not self.power.after:
                self.say(kind, wish)

    def run(self, seconds: float) -> None:
        until = self.loop.clock.monotonic() + seconds
        while self.loop.clock.monotonic() < until:
            try:
                pause = self.loop.cycle()
            except PowerCut:
                self.reboot()
                continue
            self.check()
            self.loop.clock.advance(max(0.05, min(pause, 1.0)))

    def reboot(self) -> None:
        self.restarts += 1
        self.loop.store.close()
        self.loop.store = SqliteStore(self.folder / "state.db")
        self.loop.clock.advance(0.5)
        self.power.cut_at = None
        self.loop.boot(self.power)

    def check(self) -> None:
        """What holds at every moment: no second one runs, and nobody touches who is not concerned."""
        up = [c.module for c in self.loop.engine.containers() if c.running]
        assert len(up) == len(set(up))
        floor, accepted = self.loop.last.ledger.floor, self.loop.last.ledger.accepted
        assert accepted is None or accepted.version <= floor


def life(folder: Path, cut_at: int | None, *, after: bool = False) -> Device:
    folder.mkdir()
    device = Device(folder, Power(cut_at, after=after))
    device.live()
    return device


def story(device: Device) -> dict[str, object]:
    """How it ended, as far as it must not depend on interruptions."""
    loop = device.loop
    store = SqliteStore(device.folder / "state.db")
    ledger = store.ledger()
    told = {
        "running": running(loop),
        "containers": [(c.module, c.status) for c in loop.engine.containers()],
        "accepted": ledger.accepted and ledger.accepted.version,
        "candidate": ledger.candidate,
        "floor": ledger.floor,
        "condemned": sorted(gone.version for gone in ledger.condemned.values()),
        "desired": (ledger.desired.version, ledger.desired.code),
        "history": [(e.version, e.result.split(" by ")[0], e.changes) for e in store.history()],
        "undecided": store.deliveries(),
        "plan": loop.last.plan.steps,
        "restarts": dict(ledger.restarts),
        "failures": dict(ledger.attempts),
    }
    assert all(store.decision(number) is not None for number in device.acknowledged)
    store.close()
    return told


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Device:
    return life(tmp_path_factory.mktemp("life") / "undisturbed", None)


def test_a_life_without_interruptions_ends_with_version_one_serving_again(undisturbed: Device):
    told = story(undisturbed)
    assert told["running"] == {"scorer": ONE, "side": SIDE}
    assert sorted(told["containers"]) == [("scorer", Status.RUNNING), ("side", Status.RUNNING)]
    assert (told["accepted"], told["floor"], told["condemned"]) == (1, 4, [4])
    assert told["history"] == [
        (4, "rolled back: module scorer: not ready: still loading", "~scorer"),
        (3, "superseded before it was accepted", "~scorer"),
        (2, "superseded", "~scorer"),
        (1, "running", "+scorer +side"),
    ]
    assert told["failures"] == told["restarts"] == {}
    assert [kind for kind, what in undisturbed.loop.engine.effects].count("create") == 5


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_cut_at_any_effect_changes_nothing_of_the_end(
    tmp_path: Path, undisturbed: Device, after: bool, part: int
):
    wanted = story(undisturbed)
    for number in range(1 + part, undisturbed.power.effects + 1, PARTS):
        device = life(tmp_path / f"{number}", number, after=after)
        assert device.restarts == 1
        assert story(device) == wanted, f"cut {'after' if after else 'before'} effect {number}"
        side = next(c.id for c in device.loop.engine.containers() if c.module == "side")
        assert ("stop", side) not in device.loop.engine.effects
        assert ("remove", side) not in device.loop.engine.effects


def test_a_version_that_takes_the_machine_down_at_every_start_is_condemned_after_three():
    """The start is not even in the engine's books: after each boot the container is as it was made."""
    loop = deployed(version(1, ONE), ONE, TWO, SIDE)
    loop.push(version(2, TWO))
    crashes = 0
    for _ in range(20):
        if loop.store.ledger().desired.code == 417:
            break
        loop.boot(Bombed(loop, TWO))
        try:
            loop.run(20)
        except PowerCut:
            crashes += 1
    assert (crashes, loop.store.ledger().desired.code) == (3, 417)
    loop.boot()
    loop.push(version(2, TWO))
    loop.run(20)
    assert running(loop) == {"scorer": ONE, "side": SIDE}


class Bombed(Power):
    """The power goes whenever a container of *image* is started, before the engine knows of it."""

    def __init__(self, loop: Loop, image: str) -> None:
        super().__init__()
        self._loop, self._image = loop, image

    def run(self, call: Any, *args: Any, **more: Any) -> Any:
        held = self._loop.world.held
        if call.__name__ == "start" and held[args[0]].container.image == self._image:
            raise PowerCut
        return super().run(call, *args, **more)
