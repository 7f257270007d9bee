"""What goes up: messages by kind, and the state of the link they go over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the cloud. *topic* is `reported`, `birth`, `event/<type>` or `telemetry/<stream>`.

    *retain* marks state (last write wins); telemetry and events are never retained. *id* is the outbox row,
    0 for one that is not in it. Of several *parts* the body is an array.
    """

    topic: str
    body: bytes
    retain: bool = False
    id: int = 0
    expiry_s: int | None = None
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Batching:
    """The far side counts messages of so many *bytes*; telemetry may wait *wait_s* for more of its kind."""

    bytes: int
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """The upstream link as it is now."""

    endpoint: str
    connected: bool
    since: datetime | None = None
    detail: str = ""
    batching: Batching | None = None  # None: each message by itself
    round_trip_s: float | None = None  # of the message that was acknowledged last


EVENTS = "event"  # the stream of all events; a stream of telemetry is named as its topic ends


def stream_of(topic: str) -> str:
    """Which stream a message is of: `device` for `telemetry/device`, `event` for every `event/…`."""
    return EVENTS if topic.startswith(f"{EVENTS}/") else topic.removeprefix("telemetry/")


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How one stream is kept while it waits.

    *durable*: on the disk before its producer goes on; otherwise within 10 s or 256 KiB. Where room is wanted,
    the lowest *priority* goes first. *expiry_s* is what the broker is told of a message whose producer says
    nothing: after so long it need not hand it out any more.
    """

    durable: bool = False
    priority: int = 1
    max_bytes: int = 128 * 1024 * 1024
    max_age_s: float = 7 * 86400.0
    expiry_s: int | None = None


_EVENT = StreamPolicy(durable=True, priority=3, expiry_s=7 * 86400)
_TELEMETRY = StreamPolicy(expiry_s=3600)  # to a broker an older sample is history; here it waits


def default_policy(stream: str) -> StreamPolicy:
    """Events are durable and go last; telemetry neither."""
    return _EVENT if stream == EVENTS else _TELEMETRY


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream: accepted = delivered + queued + all of *dropped*, which is by reason."""

    name: str
    queued: int = 0
    queued_bytes: int = 0
    accepted: int = 0
    delivered: int = 0
    dropped: tuple[tuple[str, int], ...] = ()
    oldest_s: float = 0.0  # how long the oldest has waited; 0 where none waits


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """What waits to go up, and what was lost to the bounds: accepted = delivered + queued + dropped."""

    queued: int = 0
    queued_bytes: int = 0
    accepted: int = 0
    delivered: int = 0
    dropped: int = 0
    streams: tuple[StreamFigures, ...] = field(default=(), compare=False)
