"""What does a device live through? Short stories, each with a beginning that was lived without a fault."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.parts.waiting import until
from edgetender.engine.labels import DEVICE as DEVICE_LABEL
from edgetender.engine.labels import MODULE
from tests.faults.device import PATIENCE, Device, Zygote
from tests.faults.docker_world import Cut, World
from tests.faults.oracle import Oracle, count, is_refusal, timed

END_S = 20.0 * PATIENCE  # then it is stuck
STRANGER = "f" * 64
STRANGERS_IMAGE = "stranger.example/tool@sha256:" + "9" * 64
Wish = tuple[str, dict[str, Any]]  # where to POST what


@dataclass(frozen=True, slots=True)
class Story:
    """After *before*, *wish* comes; then *version* runs, which is *modules* (image names by module)."""

    name: str
    before: tuple[Wish, ...]
    wish: Wish
    version: int
    modules: dict[str, str]
    code: int = 200


def _manifest(number: int, side: str | None, scorer: str, **health: Any) -> Wish:
    modules = {"scorer": {"image": scorer, "health": {"http": {"path": "/ready"}, "interval": 1} | health}}
    if side is not None:
        modules["side"] = {"image": side}
    return "/v1/apply", {
        "schema": "edgetender/v1",
        "deployment": "line3",
        "version": number,
        "modules": modules,
        "registries": {"REGISTRY": {"credential": "registry"}},
        "update": {"settle": 0.2},
    }


_ONE = _manifest(1, "side", "one")
_TWO = _manifest(2, "side", "two")
_NEVER = _manifest(3, "side", "bad", http={"path": "/never"}, deadline=0.5)
_BOTH = {"scorer": "one", "side": "side"}
STORIES = (
    Story("first", (), _ONE, 1, _BOTH),
    Story("update", (_ONE,), _TWO, 2, {"scorer": "two", "side": "side"}),
    Story("rolled-back", (_ONE,), _NEVER, 1, _BOTH, 417),
    Story("missing-image", (_ONE,), _manifest(4, "side", "gone"), 1, _BOTH, 406),
    Story("shrink", (_ONE,), _manifest(5, None, "two"), 5, {"scorer": "two"}),
    Story("back", (_ONE, _TWO), ("/v1/rollback", {"to": 1}), 1, _BOTH, 417),
    Story("restart", (_ONE,), ("/v1/modules/scorer/restart", {}), 1, _BOTH),
)
# to read it takes more memory than happens to be free
_PADDED = {
    name: one | {"env": {f"K{n}": "" for n in range(8000)}} for name, one in _ONE[1]["modules"].items()
}
LARGE = Story("large", (), (_ONE[0], _ONE[1] | {"modules": _PADDED}), 1, _BOTH)


def story(name: str) -> Story:
    return next(one for one in (*STORIES, LARGE) if one.name == name)


@dataclass(slots=True)
class Lived:
    """One life with one fault. *reached* is whether the fault happened at all."""

    story: str
    point: str
    reached: bool
    violations: list[str]
    converged_s: float
    answer_s: float
    changes: int
    writes: list[str] = field(default_factory=list)  # of a life that was watched


class Stage:
    """A device on which stories are lived, one after the other; who is not at rest after *end_s* is stuck.

    For one thread.
    """

    def __init__(self, home: Path, zygote: Zygote, end_s: float = END_S) -> None:
        self._end_s = end_s
        self.device = Device(home, zygote)
        self._home = home
        self._beginnings: dict[str, tuple[Path, World]] = {}
        engine = self.device.engine
        self.images = {name: engine.publish(name) for name in ("one", "two", "bad", "side")}
        self.images["gone"] = f"localhost:{engine.port}/gone@sha256:" + "0" * 64

    def live(self, story: Story, point: Point) -> Lived:
        """Begin where the story begins, let *point* happen, start the daemon again when it ends, and judge."""
        device, engine = self.device, self.device.engine
        self.begin(story)
        oracle = Oracle(device, set(self.images.values()), {STRANGER, STRANGERS_IMAGE})
        point.begin(device)
        self.say(story.wish, oracle, lambda: point.again(device))
        point.acknowledged(device)
        converged_s, status = self._rest(story, oracle, point)
        engine.changed = lambda: None
        reached = point.reached(device)
        if status is None:
            oracle.violations.append(f"I1: not at rest after {self._end_s:.0f} s: {_short(device.status())}")
        if not device.stop():
            oracle.violations.append("I9: SIGTERM does not end it within 15 s")
        oracle.judge({module: self.images[name] for module, name in story.modules.items()})
        self._judge_effects(story, oracle, status, interrupted=device.starts > 1)
        return Lived(
            story.name, str(point), reached, oracle.violations, converged_s, oracle.slowest_answer_s,
            len(engine.history),
        )  # fmt: skip

    def begin(self, story: Story) -> None:
        """Disk and engine as before the wish; no daemon runs."""
        device, engine = self.device, self.device.engine
        place, world = self._beginning(story)
        device.put_back(place)
        device.log.unlink(missing_ok=True)
        device.starts = 0
        with engine.lock:
            engine.world, engine.history = copy.deepcopy(world), []
            engine.at.clear()

    def _judge_effects(
        self, story: Story, oracle: Oracle, status: dict[str, Any] | None, *, interrupted: bool
    ) -> None:
        """A wish has its effect once (I5), nobody is blamed for our stops, who is not concerned is left alone."""
        engine = self.device.engine
        asked = len(oracle.acknowledged) - len(oracle.refused) if story.name == "restart" else 0
        starts = count(engine, "start", "scorer")
        if story.name == "restart" and not min(asked, 1) <= starts <= asked + (1 if interrupted else 0):
            oracle.violations.append(f"I5: {starts} restarts for {asked} wishes")
        counted = sum(one["restarts"] for one in status["modules"]) if status is not None else 0
        if counted > (starts if story.name == "restart" else 0):
            oracle.violations.append(f"I5: {counted} restarts are counted that nobody asked for")
        if story.name in ("update", "rolled-back", "missing-image", "back", "restart"):
            touched = [verb for verb in ("stop", "destroy", "create") if count(engine, verb, "side")]
            if touched:
                oracle.violations.append(f"I1: {touched} of a module that was to stay")

    def _rest(self, story: Story, oracle: Oracle, point: Point) -> tuple[float, dict[str, Any] | None]:
        """Until the story's end is there; seconds since the last start, and the status then."""
        device, end = self.device, time.monotonic() + self._end_s + point.lasts_s
        began = time.monotonic()
        while time.monotonic() < end:
            if device.ended(0.01):
                oracle.look_at_disk()
                point.again(device)
                began = time.monotonic()
            status, took_s = timed(device)
            oracle.answered(status, took_s, time.monotonic() - began)
            if status is not None and self._is_over(story, status, oracle) and point.over(device):
                return time.monotonic() - began, status
        return time.monotonic() - began, None

    def _is_over(self, story: Story, status: dict[str, Any], oracle: Oracle) -> bool:
        wanted = {module: self.images[name] for module, name in story.modules.items()}
        if story.name == "missing-image":  # its candidate waits for ever
            done = status["candidate"] == story.wish[1]["version"] and status["version"] == story.version
        else:
            done = status["candidate"] is None and status["version"] == story.version
            done = done and status["lastDesiredStatus"]["code"] == story.code
        there = {one["name"]: one["image"] for one in status["modules"] if one["state"] == "running"}
        if story.name == "restart":
            said = map(self.device.decided, oracle.acknowledged)
            done = done and (count(self.device.engine, "start", "scorer") > 0 or all(map(is_refusal, said)))
        with self.device.engine.lock:  # the daemon may be changing it
            ours = list(self.device.engine.world.containers.values())
        tidy = sum(1 for one in ours if one["Config"]["Labels"].get(MODULE) and one["Id"] != STRANGER)
        return bool(done and there == wanted and tidy == len(wanted))

    def say(self, wish: Wish, oracle: Oracle | None = None, again: Callable[[], None] | None = None) -> int:
        """Have *wish* acknowledged; its number."""
        target, document = wish
        body = json.dumps(self._filled(document)).encode()
        number = self.device.say(target, body, again or self.device.start)
        if oracle is not None:
            oracle.acknowledged.append(number)
        return number

    def _filled(self, document: dict[str, Any]) -> dict[str, Any]:
        """With the images' references and the port where containers are."""
        filled = copy.deepcopy(document)
        for module in filled.get("modules", {}).values():
            module["image"] = self.images[module["image"]]
            if "health" in module:
                module["health"]["http"]["port"] = self.device.engine.port
        if "registries" in filled:
            filled["registries"] = {f"localhost:{self.device.engine.port}": filled["registries"]["REGISTRY"]}
        return filled

    def _beginning(self, story: Story) -> tuple[Path, World]:
        """Lived once: the disk and the engine before the wish."""
        key = "+".join(f"{wish[1].get('version')}" for wish in story.before)
        if key not in self._beginnings:
            device, engine = self.device, self.device.engine
            place = self._home / "beginnings" / (key or "nothing")
            place.mkdir(parents=True)
            device.put_back(place)
            engine.changed, engine.world, engine.history = lambda: None, _strangers(), []
            if story.before:
                device.start()
            for wish in story.before:
                self.say(wish)
                self._await(wish[1]["version"])
            if story.before:
                device.stop()
            device.keep(place)
            self._beginnings[key] = place, copy.deepcopy(engine.world)
        return self._beginnings[key]

    def _await(self, version: int) -> None:
        def accepted() -> bool:
            status = self.device.status()
            return status is not None and status["candidate"] is None and status["version"] == version

        until(accepted, f"version {version}, with which stories begin", within_s=END_S, every_s=0.01)


@dataclass
class Point:
    """Nothing happens. Others are in `sweep`."""

    lasts_s: float = field(default=0.0, kw_only=True)

    def begin(self, device: Device) -> None:
        device.start()

    def again(self, device: Device) -> None:
        device.start()

    def acknowledged(self, device: Device) -> None:
        """The wish was taken."""

    def reached(self, device: Device) -> bool:
        return True

    def over(self, device: Device) -> bool:
        """Whether nothing more will happen."""
        return True

    def __str__(self) -> str:
        return "undisturbed"


def cut(device: Device) -> Callable[[], None]:
    """What an engine does at a planned change: kill the daemon, and answer nobody."""

    def happens() -> None:
        device.kill()
        raise Cut

    return happens


def _strangers() -> World:
    """A container of somebody else with a name and labels like ours, and an image."""
    labels = {DEVICE_LABEL: "line4-cam1", MODULE: "scorer"}
    state = {"Status": "running", "StartedAt": "2026-11-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}
    stranger = {
        "Id": STRANGER,
        "Name": "/edgetender-scorer-of-another",
        "Config": {"Image": STRANGERS_IMAGE, "Labels": labels},
        "HostConfig": {},
        "State": state,
        "NetworkSettings": {"Networks": {}},
    }
    return World({STRANGER: stranger}, {STRANGERS_IMAGE})


def _short(status: dict[str, Any] | None) -> str:
    if status is None:
        return "no status"
    keys = ("health", "version", "candidate", "lastDesiredStatus", "engine", "notes")
    return json.dumps({key: status.get(key) for key in keys} | {"modules": status.get("modules")})[:1500]
