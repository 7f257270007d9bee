"""What keeps a new version waiting? An operator's hold, a window that is shut, a module that asks for time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from edgetender.model.window import Window

DEVICE = ""  # the key of a hold that is on all modules
LONGEST_S = 366 * 86400  # who wants longer than a year says no time at all


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody's word that nothing shall change. *until* None: until it is released."""

    by: str
    since: datetime
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """By whom a hold was ended before its time, and by what."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Passage:
    """How far the manifest *sha256* has come as candidate.

    *hurry*: a person wants no window and no module waited for. *began*: its containers are being made, so it is
    brought to its end. *delayed_since*: since when nothing but a module's own wish stands in its way.
    """

    sha256: str
    hurry: bool = False
    began: bool = False
    delayed_since: datetime | None = None


NO_PASSAGE = Passage("")


@dataclass(frozen=True, slots=True)
class Shut:
    """Why something does not happen now: *code* for programs, *why* for people; *until* as far as it is known."""

    code: str
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What a candidate waits for: with its images, and with its containers. None: for nothing."""

    download: Shut | None = None
    apply: Shut | None = None

    @property
    def moments(self) -> tuple[datetime, ...]:
        return tuple(shut.until for shut in (self.download, self.apply) if shut and shut.until)


OPEN = Gate()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the device's owner set. Without windows it is always time; *delay_most* is for all modules together."""

    download: tuple[Window, ...] = ()
    apply: tuple[Window, ...] = ()
    delay_most: timedelta = timedelta(hours=24)


ALWAYS = Rules()
