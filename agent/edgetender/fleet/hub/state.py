"""What the hub knows of its devices, how much it lets them do, and what a test makes it do wrong."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgetender.fleet.hub.access import Identity
from edgetender.fleet.hub.twin import Twin

if TYPE_CHECKING:
    from edgetender.fleet.hub.session import Session

MESSAGE_BYTES, C2D_BYTES, C2D_PENDING, METHOD_BYTES = 256 * 1024, 64 * 1024, 50, 128 * 1024
SUBSCRIPTIONS = 5
KEPT_MESSAGES = 100_000  # of one device, for whoever looks at them


class HangUp(Exception):
    """What an IoT Hub answers by closing the connection."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message from a device to the cloud."""

    body: bytes
    properties: dict[str, str]
    number: int  # over all devices, in the order of their arrival

    def bodies(self) -> list[Any]:
        """What it says, as JSON; of a batch each. Raises ValueError for what is no JSON."""
        said = json.loads(self.body)
        return said if "count" in self.properties else [said]


@dataclass(slots=True)
class Waiting:
    """One message from the cloud that its device has not acknowledged."""

    topic: str
    body: bytes
    sent: bool = False


@dataclass(slots=True)
class Device:
    """A device or a module: its twin, what it said, what waits for it, and its session's subscriptions."""

    identity: Identity
    twin: Twin = field(default_factory=Twin)
    filters: set[str] = field(default_factory=set)
    messages: deque[Received] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    waiting: deque[Waiting] = field(default_factory=deque)
    session: Session | None = None
    calls: dict[str, asyncio.Future[tuple[int, Any]]] = field(default_factory=dict)
    connects: int = 0
    reads: int = 0
    writes: int = 0


@dataclass(slots=True)
class Rate:
    """So many a second, and as many at once; None for no bound."""

    per_s: float | None
    left: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.per_s or 0.0

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        self._refill(now)
        there = self.per_s is None or self.left >= 1
        self.left -= there
        return there

    def queue_s(self, now: float) -> float:
        """Take the next one; how long until it is there."""
        self._refill(now)
        self.left -= 1
        return max(0.0, -self.left / self.per_s) if self.per_s else 0.0

    def _refill(self, now: float) -> None:
        if self.per_s is not None:
            self.left = min(self.per_s, self.left + (now - self.at) * self.per_s)
            self.at = now


@dataclass(slots=True)
class Throttles:
    """Those of one unit S1, for the hub as a whole."""

    connects: Rate = field(default_factory=lambda: Rate(100))
    reads: Rate = field(default_factory=lambda: Rate(100))
    writes: Rate = field(default_factory=lambda: Rate(50))
    messages: Rate = field(default_factory=lambda: Rate(100))


@dataclass(slots=True)
class Wrongs:
    """What the hub does wrong next; the numbers count down. May be set from any thread.

    *refuse*: CONNACK 5 whatever the password. *drop*: hang up instead of acknowledging a message.
    *reported_status*: answer to the next *refuse_reported* patches. *mute_reads*: twins are not handed out.
    """

    refuse: int = 0
    drop: int = 0
    refuse_reported: int = 0
    reported_status: int = 429
    reported_delay_s: float = 0.0
    mute_reads: int = 0

    def take(self, name: str) -> bool:
        left = int(getattr(self, name))
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0
