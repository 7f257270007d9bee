"""What does HAProxy say of its servers? Pure: `show stat` becomes one entry per container."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from edgetender.engine.front.haproxy_shadow import COPIES
from edgetender.model.front import FrontServer

_RECEIVING = ("no check", "UP", "OPEN")  # no checks of HAProxy's own: the agent asks the containers itself


def servers(stat: str) -> tuple[FrontServer, ...]:
    """One entry per container, summed over its ports.

    It receives new requests if it does so on any port; it has drained when nothing is left on every one.
    """
    rows = _rows(stat)
    names = dict.fromkeys(row["svname"] for row in rows)
    return tuple(_server(name, [row for row in rows if row["svname"] == name]) for name in names)


def complete(stat: str, container: str, backends: Iterable[str]) -> bool:
    """Whether *container* receives on each of *backends*, and nobody else does."""
    receiving = {(row["pxname"], row["svname"]) for row in _rows(stat) if _receives(row)}
    return receiving == {(name, container) for name in backends}


def backends_of(stat: str, container: str) -> tuple[str, ...]:
    """The backends that have *container* as a server."""
    return tuple(row["pxname"] for row in _rows(stat) if row["svname"] == container)


def _rows(stat: str) -> list[dict[str, str]]:
    return [
        row
        for row in csv.DictReader(io.StringIO(stat.lstrip("# \n")))
        if row.get("type") == "2" and row["pxname"] != COPIES
    ]


def _server(name: str, rows: list[Mapping[str, str]]) -> FrontServer:
    answered = [row for row in rows if _number(row, "stot")]
    weight = sum(_number(row, "stot") for row in answered)
    mean = sum(_number(row, "ttime") * _number(row, "stot") for row in answered) / weight if weight else None
    return FrontServer(
        container=name,
        address=rows[0]["addr"].rpartition(":")[0],
        receives=any(_receives(row) for row in rows),
        connections=sum(_number(row, "scur") + _number(row, "qcur") for row in rows),
        since_s=float(min(_number(row, "lastchg") for row in rows)),
        requests=sum(_number(row, "stot") for row in rows),
        errors=sum(_number(row, field) for row in rows for field in ("hrsp_5xx", "econ", "eresp")),
        mean_ms=mean,
    )


def _receives(row: Mapping[str, str]) -> bool:
    return row["status"].startswith(_RECEIVING)


def _number(row: Mapping[str, str], field: str) -> int:
    return int(row.get(field) or 0)
