"""What did a demo that could not end itself leave behind? `python -m demo.clean DIRECTORY` takes it away."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from demo.parts.dockerd import Dockerd, answers, client
from demo.parts.process import Identity, end_recorded
from demo.parts.waiting import until

DEVICE = "line3-cam7"
LABEL = "io.edgetender.device"


def clean(home: Path) -> None:
    """End our processes, by pid and start time, and remove our containers; nothing else is touched."""
    demo = Identity.read(home / "demo.part")
    if demo is not None and demo.runs:
        demo.end(grace_s=60)  # it ends its parts itself, in order
    for name in end_recorded(home):
        print(f"ended {name}")
    _clear_foreign_engine(home / "engine")
    Dockerd(home / "engine.own").remove()


def _clear_foreign_engine(note: Path) -> None:
    """An engine that still answers was there before the demo: only the demo's own containers go."""
    engine = note.read_text().strip() if note.exists() else None
    if engine is None or not answers(engine):
        return
    try:
        remove_containers(engine)
    except ImportError:
        print(f"left alone: containers with the label {LABEL}={DEVICE} in {engine}; .venv is gone")


def remove_containers(engine: str) -> None:
    """Remove the containers and the network that the demo's daemon made there, and no other."""
    from docker.errors import APIError  # the environment may be gone

    ours: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={DEVICE}"}

    def removed() -> bool:
        """Whether none is left. An engine whose file system is busy for a moment says 500, and then removes it."""
        for container in opened.containers.list(all=True, filters=ours, ignore_removed=True):
            with contextlib.suppress(APIError):
                container.remove(force=True, v=True)
        return not opened.containers.list(all=True, filters=ours, ignore_removed=True)

    with client(engine) as opened:
        until(removed, f"the removal of {DEVICE}'s containers", within_s=30, every_s=0.5)
        for network in opened.networks.list(filters=ours):
            network.remove()


if __name__ == "__main__":
    clean(Path(sys.argv[1]))
