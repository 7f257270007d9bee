"""What goes up: messages by kind, and the state of the link they go over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the cloud. *topic* is `reported`, `birth`, `event/<type>` or `telemetry/<stream>`.

    *retain* marks state (last write wins); telemetry and events are never retained. *id* is the outbox row,
    0 for one that is not in it.
    """

    topic: str
    body: bytes
    retain: bool = False
    id: int = 0
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The upstream link as it is now."""

    endpoint: str
    connected: bool
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """What waits to go up, and what was lost to the quota: accepted = delivered + queued + dropped."""

    queued: int = 0
    queued_bytes: int = 0
    accepted: int = 0
    delivered: int = 0
    dropped: int = 0
