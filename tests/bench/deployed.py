"""A world to measure in: the demo's parts in an engine of its own, two modules deployed and serving."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from demo.narrator import Terminal
from demo.steps import deploying, making
from demo.world import REPOSITORY, World, started

HOME = REPOSITORY / ".demo" / "bench"


@contextlib.contextmanager
def deployed(*, iothub: bool = False) -> Iterator[World]:
    """Over an IoT Hub of our own where *iothub* is asked for, else over MQTT."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    # as it is installed: what compiles its modules itself, each time, is slower and keeps 7 MiB more
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(HOME / "bytecode")
    for cache in ("base", "store"):
        kept = Path(REPOSITORY, ".demo", cache)
        kept.mkdir(parents=True, exist_ok=True)
        (HOME / cache).symlink_to(kept)
    with started(HOME, Terminal(), private_engine=True, iothub=iothub) as world:
        making.train_and_package(world)
        making.push_to_the_registry(world)
        deploying.deploy(world)
        yield world
