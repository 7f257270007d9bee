"""When may a thing that failed be tried again? Capped, jittered, and pure: the jitter comes from the name."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from edgetender.model.ledger import Attempt

FIRST_S = 1.0
CAP_S = 300.0
FORGET_AFTER_S = 600.0  # of good health in a row (as IoT Edge's and Kubernetes' back-offs do)
_MAX_EXPONENT = 16  # clamped before the power is taken: 2**1024 overflows a float


def delay_s(name: str, failures: int) -> float:
    """Seconds to wait after the *failures*-th failure in a row: 1, 2, 4 … 300, each times 0.75 to 1.

    The jitter depends on *name* and the count alone, so a plan can be made again and comes out the same, while
    devices and modules that failed together do not return together.
    """
    exact = min(CAP_S, FIRST_S * 2.0 ** min(max(failures, 1) - 1, _MAX_EXPONENT))
    spread = zlib.crc32(f"{name}#{failures}".encode()) / 0xFFFFFFFF
    return exact * (0.75 + 0.25 * spread)


def due_at(name: str, attempt: Attempt) -> datetime:
    """The moment from which *name* may be tried again."""
    return attempt.last_at + timedelta(seconds=delay_s(name, attempt.failures + attempt.excused))


def is_due(name: str, attempt: Attempt | None, now: datetime) -> bool:
    """Whether to try now. A clock that ran backwards counts as time enough: waiting for it could take years."""
    return attempt is None or now < attempt.last_at or now >= due_at(name, attempt)
