"""When was a message made, now that the clock is known to have been wrong? Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edgetender.clock import rfc3339
from edgetender.store.boot import NO_BOOT
from edgetender.store.packs import Row

_SLACK_S = 5.0  # what clocks drift and time servers trim without anybody calling it a jump


def restamped(row: Row, now: datetime, boot: int, since_boot: float) -> bytes:
    """*row*'s body, its `at` corrected when the clock was set since it was made.

    Both times of then and of now are of the same boot, so what did not jump tells how long ago it was. After
    another boot nobody knows how long the device was off: the body stays as it is. A body that does not hold
    the time it was given with, as producers write it, is not ours to change either.
    """
    if row.boot != boot or boot == NO_BOOT:
        return row.body
    made = now - timedelta(seconds=max(0.0, since_boot - row.since_boot))
    believed = datetime.fromtimestamp(row.at, UTC)
    if abs((made - believed).total_seconds()) <= _SLACK_S:
        return row.body
    old = f'"at":"{rfc3339(believed)}"'.encode()
    return row.body.replace(old, f'"at":"{rfc3339(made)}","stampedAt":"{rfc3339(believed)}"'.encode(), 1)
