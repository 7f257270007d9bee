"""What does HAProxy say of its servers? Pure: `show stat` becomes one entry per container."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from edgetender.engine.front.haproxy_shadow import COPIES
from edgetender.model.front import FrontServer

_READY = ("no check", "UP", "OPEN")  # no checks of HAProxy's own: the agent asks the containers itself


def servers(stat: str) -> tuple[FrontServer, ...]:
    """One entry per container, summed over its ports.

    It receives new requests if it does so on any port; it has drained when nothing is left on every one.
    """
    rows = _rows(stat)
    first = _first(rows)
    names = dict.fromkeys(row["svname"] for row in rows)
    return tuple(_server(name, [row for row in rows if row["svname"] == name], first) for name in names)


def complete(stat: str, container: str, backends: Iterable[str]) -> bool:
    """Whether *container* receives on each of *backends*."""
    first = _first(_rows(stat))
    return {name: row["svname"] for name, row in first.items()} == dict.fromkeys(backends, container)


def numbers(stat: str) -> dict[str, int]:
    """The containers' numbers: of those that are ready the lowest receives."""
    return {row["svname"]: _number(row, "sid") for row in _rows(stat)}


def backends_of(stat: str, container: str) -> tuple[str, ...]:
    """The backends that have *container* as a server."""
    return tuple(row["pxname"] for row in _rows(stat) if row["svname"] == container)


def _rows(stat: str) -> list[dict[str, str]]:
    return [
        row
        for row in csv.DictReader(io.StringIO(stat.lstrip("# \n")))
        if row.get("type") == "2" and row["pxname"] != COPIES
    ]


def _server(name: str, rows: list[dict[str, str]], first: Mapping[str, dict[str, str]]) -> FrontServer:
    answered = [row for row in rows if _number(row, "stot")]
    weight = sum(_number(row, "stot") for row in answered)
    mean = sum(_number(row, "ttime") * _number(row, "stot") for row in answered) / weight if weight else None
    return FrontServer(
        container=name,
        address=rows[0]["addr"].rpartition(":")[0],
        receives=any(row is first.get(row["pxname"]) for row in rows),
        connections=sum(_number(row, "scur") + _number(row, "qcur") for row in rows),
        # who is ready and not the first receives nothing since another took its place
        since_s=float(
            min(_number(one, "lastchg") for row in rows for one in (row, first.get(row["pxname"], row)))
        ),
        requests=sum(_number(row, "stot") for row in rows),
        errors=sum(_number(row, field) for row in rows for field in ("hrsp_5xx", "econ", "eresp")),
        mean_ms=mean,
    )


def _first(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """The row that receives, by backend."""
    found: dict[str, dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: _number(row, "sid")):
        if row["status"].startswith(_READY):
            found.setdefault(row["pxname"], row)
    return found


def _number(row: Mapping[str, str], field: str) -> int:
    return int(row.get(field) or 0)
