"""How long did each server take, lately? Pure: HAProxy's ring of answers becomes a 95th percentile per container."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgetender.engine.front.haproxy_config import NAMED_BY
from edgetender.model.front import FrontServer

NEWEST = 1000  # answers per container; older ones tell of another hour's load


def timed(servers: Iterable[FrontServer], events: str) -> tuple[FrontServer, ...]:
    """*servers* with the times that the ring, as `show events` writes it, has of each."""
    times: dict[str, list[int]] = {}
    for line in events.splitlines():
        name, _, took = line.partition(" ")
        if took.isdigit():  # -1: there was no answer
            times.setdefault(name, []).append(int(took))
    return tuple(_with(server, times.get(server.container[:NAMED_BY], [])[-NEWEST:]) for server in servers)


def _with(server: FrontServer, times: list[int]) -> FrontServer:
    if not times:
        return server
    return replace(server, p95_ms=float(sorted(times)[len(times) * 95 // 100]), timed=len(times))
