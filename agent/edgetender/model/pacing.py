"""How fast may something go? A token bucket: pure, the time is passed in."""

from __future__ import annotations

from dataclasses import dataclass

_BURST_S = 2.0  # what may go at once: two seconds' worth, and at least one message


@dataclass(frozen=True, slots=True)
class Bucket:
    """*tokens* (messages, or bytes) may go at the moment *at*, in seconds of a clock that does not jump."""

    tokens: float
    at: float


def take(
    bucket: Bucket | None, now: float, per_second: float, amount: float = 1.0, *, burst_s: float = _BURST_S
) -> tuple[Bucket, float]:
    """The bucket after *amount* more, and how long to wait before it is sent; 0 *per_second*: no limit.

    None is a full bucket: who has been silent may begin at once.
    """
    if per_second <= 0:
        return Bucket(0.0, now), 0.0
    most = max(1.0, per_second * burst_s)
    tokens = most if bucket is None else min(most, bucket.tokens + max(0.0, now - bucket.at) * per_second)
    left = tokens - amount
    return Bucket(left, now), max(0.0, -left / per_second)
