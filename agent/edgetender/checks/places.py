"""Which file systems must have room? Those of the agent's state and of the engine's images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgetender.checks.device import Device
from edgetender.errors import AgentError


def places(device: Device) -> Iterator[Path]:
    """The state directory (or what will hold it), and the engine's data root where it is on this machine."""
    place = device.settings.state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    yield place
    if device.settings.engine.socket.startswith("unix://"):
        try:
            root = Path(device.engine.facts().data_root)
        except AgentError:
            return  # docker-api says so
        if root.exists() and root != place:
            yield root
