"""The engine hangs in the middle of a call of the loop's: everybody hears of it before that call ends."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.device import Device, Zygote
from tests.faults.scenarios import STORIES, Point, Stage

WITHIN_S = 10.0
LONGEST_S = 25.0  # less than a call may take


@dataclass
class HangsIn(Point):
    """The engine hangs from just before its n-th change until status and upstream say so, *told* after seconds."""

    number: int
    told: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lasts_s = LONGEST_S

    def begin(self, device: Device) -> None:
        device.engine.at[(self.number, "before")] = lambda: self._hang(device)
        device.start()

    def _hang(self, device: Device) -> None:
        began = time.monotonic()
        device.engine.silent.set()
        try:
            while len(self.told) < 2 and time.monotonic() - began < LONGEST_S:
                for who, document in (("status", device.status()), ("upstream", reported(device))):
                    if document is not None and document["engine"]["down"]:
                        self.told.setdefault(who, time.monotonic() - began)
                time.sleep(0.1)  # no news comes from a file
        finally:
            device.engine.silent.clear()

    def over(self, device: Device) -> bool:
        return bool(self.told)

    def reached(self, device: Device) -> bool:
        return device.starts == 1


def reported(device: Device) -> Any:
    try:
        return json.loads((device.folder / "outbox" / "reported.json").read_text())
    except (OSError, ValueError):
        return None


@pytest.mark.timeout(600)
def test_an_engine_that_hangs_in_a_stop_or_a_create_is_told_within_ten_seconds(
    zygote: Zygote, short: Path
) -> None:
    stage = Stage(short, zygote)
    update = next(story for story in STORIES if story.name == "update")
    try:
        stage.live(update, Point())
        verbs = [change.verb for change in stage.device.engine.history]
        for verb in ("create", "stop"):
            point = HangsIn(verbs.index(verb) + 1)
            lived = stage.live(update, point)
            assert (lived.reached, lived.violations) == (True, [])
            assert set(point.told) == {"status", "upstream"}
            assert max(point.told.values()) <= WITHIN_S, point.told
    finally:
        stage.device.close()
