"""What did a demo that could not end itself leave behind? `python -m demo.clean DIRECTORY` takes it away."""

from __future__ import annotations

import sys
from pathlib import Path

from demo.parts.dockerd import Dockerd, answers, client
from demo.parts.process import Identity, end_recorded

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


def remove_containers(engine: str, device: str = DEVICE) -> None:
    """Remove the containers and the network that the demo's daemon made there, and no other."""
    ours = {"label": f"{LABEL}={device}"}
    with client(engine) as opened:
        for container in opened.containers.list(all=True, filters=ours, ignore_removed=True):
            container.remove(force=True, v=True)
        for network in opened.networks.list(filters=ours):
            network.remove()


if __name__ == "__main__":
    clean(Path(sys.argv[1]))
