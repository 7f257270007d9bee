"""A daemon that fails on every version it begins: containers serve, it says so everywhere, and there is a way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts.waiting import HANGS_S, until
from edgetender.decide.safe_mode import BY, MOST
from tests.faults import shim
from tests.faults.device import Zygote
from tests.faults.mutants import Mutant
from tests.faults.oracle import count
from tests.faults.scenarios import Stage, story

FAILING = Mutant(
    "reconciler.py",
    "        self._publish(Cycle(now, ledger,",
    "        if on_trial(target, ledger) and target.version == 2:\n"
    '            raise RuntimeError("a bug that version 2 brings to light")\n'
    "        self._publish(Cycle(now, ledger,",
)


@pytest.fixture
def stage(short: Path) -> Iterator[Stage]:
    """Version 1 runs; the daemon fails on version 2 whenever it has begun."""
    if reason := shim.why_not():
        pytest.skip(reason)
    with Zygote(FAILING.made(short / "agent")) as failing:
        stage = Stage(short / "home", failing)
        stage.begin(story("update"))
        yield stage
        stage.device.close()


def in_safe_mode(stage: Stage) -> dict[str, Any]:
    """Version 2 comes, and the daemon is started again and again until it stays; its status then."""
    device = stage.device
    device.start()
    stage.say(story("update").wish)

    def stays() -> bool:
        if device.ended(0.05):
            device.start()
        status = device.status()
        return status is not None and bool(status["holds"]) and status["health"] == "healthy"

    until(stays, "a daemon that stays", within_s=4 * HANGS_S)
    assert device.starts > MOST
    status = device.status()
    assert status is not None
    return status


def runs(stage: Stage) -> set[str]:
    names = {image: name for name, image in stage.images.items()}
    with stage.device.engine.lock:
        there = list(stage.device.engine.world.containers.values())
    images = {one["Config"]["Image"] for one in there if one["State"]["Status"] == "running"}
    return {names[image] for image in images & names.keys()}


def accepted(stage: Stage, version: int) -> None:
    def there() -> bool:
        status = stage.device.status()
        return status is not None and status["candidate"] is None and status["version"] == version

    until(there, f"version {version}", within_s=4 * HANGS_S)


@pytest.mark.timeout(600)
def test_it_keeps_what_was_accepted_and_says_so_everywhere_until_another_manifest_comes(stage: Stage) -> None:
    status, device = in_safe_mode(stage), stage.device
    (hold,) = status["holds"]
    assert hold["by"] == BY
    assert f"failed {MOST} times in a row, the last time with RuntimeError in reconciler.py" in hold["reason"]
    assert (status["version"], status["candidate"]) == (1, 2)
    assert runs(stage) == {"one", "side"}
    assert [verb for verb in ("stop", "destroy", "create") if count(device.engine, verb, "side")] == []
    (checked,) = device.client.post("/v1/checks", b'{"ids": ["safe-mode"]}')["checks"]
    assert checked["severity"] == "error"
    up = device.folder / "outbox"
    until(lambda: "safe mode" in (up / "reported.json").read_text(), "the report upstream")
    until(lambda: '"type":"hold.set"' in (up / "messages.jsonl").read_text(), "the event upstream")
    stage.say(story("shrink").wish)
    accepted(stage, 5)
    assert runs(stage) == {"two"}
    assert device.stop()


@pytest.mark.timeout(600)
def test_an_agent_that_was_repaired_goes_on_with_the_version_once_a_person_releases_it(
    stage: Stage, zygote: Zygote
) -> None:
    in_safe_mode(stage)
    assert stage.device.stop()
    stage.device.agent_is(zygote)
    stage.device.start()
    stage.say(("/v1/release", {}))
    accepted(stage, 2)
    assert runs(stage) == {"two", "side"}
    assert stage.device.stop()
