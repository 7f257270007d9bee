"""edgetender's main job in eight steps, in order: the demo tells them, a system test asserts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.steps import breaking, changing, deploying, making

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.world import World


@dataclass(frozen=True, slots=True)
class Step:
    """*act* does and verifies it; raises StoryFailed with what was found instead."""

    number: int
    title: str
    act: Callable[[World], None]


STEPS = (
    Step(1, "A real model, packaged", making.train_and_package),
    Step(2, "Pushed to a registry with TLS and passwords", making.push_to_the_registry),
    Step(3, "A manifest over MQTT becomes running containers", deploying.deploy),
    Step(4, "It scores", deploying.score),
    Step(5, "What the cloud sees", deploying.look_upstream),
    Step(6, "Updates: a good one, a bad one, one whose image is missing", changing.update),
    Step(7, "Killed, restarted, killed again", breaking.break_things),
    Step(8, "Without the daemon, without the broker", breaking.stop_and_adopt),
)
MAIN_JOB = STEPS[:5]  # what `./run demo` shows before it stays
