"""How long did each server take, lately? Pure: HAProxy's ring of answers becomes a 95th percentile per container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgetender.engine.front.haproxy_config import NAMED_BY
from edgetender.model.front import FrontServer

NEWEST = 1000  # answers per container; older ones tell of another hour's load


def timed(servers: Sequence[FrontServer], events: str) -> tuple[FrontServer, ...]:
    """*servers* with the times that the ring, as `show events` writes it, has of each."""
    times: dict[str, list[int]] = {server.container[:NAMED_BY]: [] for server in servers}
    wanting = set(times)
    for line in reversed(events.splitlines()):  # the newest suffice: a full ring has eight times as many
        if not wanting:
            break
        name, _, took = line.partition(" ")
        if name in wanting and took.isdigit():  # -1: there was no answer
            times[name].append(int(took))
            wanting -= {name} if len(times[name]) == NEWEST else set()
    return tuple(_with(server, times[server.container[:NAMED_BY]]) for server in servers)


def _with(server: FrontServer, times: list[int]) -> FrontServer:
    if not times:
        return server
    return replace(server, p95_ms=float(sorted(times)[len(times) * 95 // 100]), timed=len(times))
