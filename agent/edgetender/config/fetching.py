"""How do images come to this device?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgetender.config import values


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How many images at once, and after how long without a byte a pull counts as stalled."""

    concurrent: Annotated[int, values.whole(1, 16), "pulls at a time"] = 2
    stall_timeout_s: Annotated[float, values.seconds(1), "without a byte, then it is tried anew later"] = 60.0
    bytes_per_s: Annotated[
        float,
        values.number(0, 1e12),
        "of all pulls together; 0 for no bound. Needs an engine on this machine: it then fetches through the agent",
    ] = 0.0
    keep_free_bytes: Annotated[
        int,
        values.whole(0, 2**50),
        "while less is free on the engine's disk, images of earlier versions that the agent fetched itself are "
        "removed; 0: only when a pull needs the room",
    ] = 2 * 1024**3
