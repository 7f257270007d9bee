"""How is room kept? Within one transaction: what expired goes, then the oldest of who has too much."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from edgetender.store import messages
from edgetender.store.packs import Row
from edgetender.store.sharing import Policies, cheapest
from edgetender.store.tally import Tally

_SLACK_BYTES = 256 * 1024
_SLACK_SHARE = (
    64  # at least a 64th of a bound is made free at a time: a full queue must not cost a commit a message
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What all streams together, and each by its policy, may hold."""

    total_bytes: int
    policies: Policies

    def most(self, stream: str) -> int:
        """What one message of *stream* may cost at most."""
        return min(self.total_bytes, self.policies(stream).max_bytes)

    def exceeded(self, tally: Tally) -> bool:
        return tally.queued_bytes > self.total_bytes or any(
            tally.bytes_of(stream) > self.policies(stream).max_bytes for stream in tally.waiting()
        )

    def keep(self, connection: sqlite3.Connection, tally: Tally) -> None:
        """Drop what is too much, the oldest first, and count it."""
        for stream in tally.waiting():
            most = self.policies(stream).max_bytes
            if tally.bytes_of(stream) > most:
                while tally.bytes_of(stream) > most - _slack(most):
                    _drop_oldest(
                        connection,
                        tally,
                        (stream,),
                        tally.bytes_of(stream) - most + _slack(most),
                        "stream_full",
                    )
        if tally.queued_bytes > self.total_bytes:
            while (surplus := tally.queued_bytes - self.total_bytes + _slack(self.total_bytes)) > 0:
                victims = cheapest(tally.waiting(), lambda stream: self.policies(stream).priority)
                _drop_oldest(connection, tally, victims, surplus, "quota")


def sifted(
    rows: Iterable[tuple[Row, bool]], count: int, age_s: float
) -> tuple[list[Row], list[tuple[Row, str]]]:
    """The first *count* of *rows* that are of use, and those before them that are of none, each with the reason."""
    good: list[Row] = []
    useless: list[tuple[Row, str]] = []
    for row, intact in rows:
        if len(good) >= count:
            break
        if intact and row.until > age_s:
            good.append(row)
        else:
            useless.append((row, "age" if intact else "damaged"))
    return good, useless


def surplus(rows: Iterable[Row], most_bytes: int, policies: Policies) -> list[Row]:
    """Those of *rows* to drop so that the others fit: the oldest of the lowest priority first."""
    found = sorted(rows, key=lambda row: (policies(row.stream).priority, row.id))
    too_much = sum(row.size for row in found) - most_bytes
    dropped: list[Row] = []
    for row in found:
        if too_much <= 0:
            break
        dropped.append(row)
        too_much -= row.size
    return dropped


def expire(connection: sqlite3.Connection, tally: Tally) -> None:
    """Drop what expired among the oldest of each stream."""
    for stream in tally.waiting():
        while expired := messages.expired(connection, stream, tally.age_s):
            for _, size in expired:
                tally.drop(stream, size, "age")
            messages.delete(connection, [(stream, number) for number, _ in expired])


def _slack(bound: int) -> int:
    return min(_SLACK_BYTES, bound // _SLACK_SHARE)


def _drop_oldest(
    connection: sqlite3.Connection, tally: Tally, streams: Iterable[str], surplus: int, reason: str
) -> None:
    """Drop a batch of the oldest of *streams*, no more than *surplus* bytes ask for."""
    found = sorted(
        (number, stream, size) for stream in streams for number, size in messages.sizes(connection, stream)
    )
    dropped = []
    for number, stream, size in found:
        if surplus <= 0:
            break
        dropped.append((stream, number))
        tally.drop(stream, size, reason)
        surplus -= size
    messages.delete(connection, dropped)
