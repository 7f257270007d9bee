"""When may a thing that failed be tried again? Capped, jittered, and pure: the jitter comes from the name."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from edgetender.model.ledger import Attempt

FIRST_S = 1.0
CAP_S = 300.0
MOST_ASKED_S = 3600.0  # what a far side may ask for: a wrong header must not hold a device up for days
FORGET_AFTER_S = 600.0  # of good health in a row (as IoT Edge's and Kubernetes' back-offs do)
STEADY = timedelta(seconds=10)  # what ran for so long did not fail at its start
_MAX_EXPONENT = 16  # clamped before the power is taken: 2**1024 overflows a float


def delay_s(name: str, failures: int) -> float:
    """Seconds to wait after the *failures*-th failure in a row: 1, 2, 4 … 300, each times 0.75 to 1.

    The jitter depends on *name* and the count alone, so a plan can be made again and comes out the same, while
    devices and modules that failed together do not return together.
    """
    exact = min(CAP_S, FIRST_S * 2.0 ** min(max(failures, 1) - 1, _MAX_EXPONENT))
    return exact * (0.75 + 0.25 * _spread(name, failures))


def due_at(name: str, attempt: Attempt) -> datetime:
    """The moment from which *name* may be tried again: not before the far side wants it, within reason."""
    count = attempt.failures + attempt.excused
    # a whole fleet was asked to wait for as long: up to a tenth more, so that it does not return as one
    asked_s = min(attempt.asked_s, MOST_ASKED_S) * (1.0 + 0.1 * _spread(name, count))
    return attempt.last_at + timedelta(seconds=max(delay_s(name, count), asked_s))


def is_due(name: str, attempt: Attempt | None, now: datetime) -> bool:
    """Whether to try now. A clock that ran backwards counts as time enough: waiting for it could take years."""
    return attempt is None or now < attempt.last_at or now >= due_at(name, attempt)


def _spread(name: str, failures: int) -> float:
    return zlib.crc32(f"{name}#{failures}".encode()) / 0xFFFFFFFF
