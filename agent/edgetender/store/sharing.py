"""Whose turn is it, and who goes when room is wanted? Pure: by stream, fair in one direction, by rank in the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgetender.model.upstream import StreamPolicy

Policies = Callable[[str], StreamPolicy]


def shares(waiting: Mapping[str, int], priority: Callable[[str], int], limit: int) -> dict[str, int]:
    """How many of the next *limit* messages are of each stream: one each in turn, the higher priority first.

    A backlog of one stream cannot hold up another: after an outage what is new goes up beside what is old.
    """
    order = sorted(waiting, key=lambda stream: (-priority(stream), stream))
    given = dict.fromkeys(order, 0)
    while limit > 0 and (hungry := [stream for stream in order if given[stream] < waiting[stream]]):
        for stream in hungry[:limit]:
            given[stream] += 1
        limit -= len(hungry)
    return {stream: count for stream, count in given.items() if count}


def cheapest(waiting: Mapping[str, int], priority: Callable[[str], int]) -> list[str]:
    """The streams to drop from first: all of the lowest priority that have messages."""
    lowest = min(map(priority, waiting), default=0)
    return sorted(stream for stream in waiting if priority(stream) == lowest)
