"""Who costs how much, round by round? What counts are ratios within a round, and the median of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.bench.scoring.kinds import Kind
from tests.bench.scoring.rows import SECONDS, Row, run

ROUNDS = 3
Rows = dict[str, list[Row]]


def rounds(kinds: Mapping[str, Kind], folder: Path, connections: int, seconds: int = SECONDS) -> Rows:
    """Each server once a round, in an order of chance."""
    rows: Rows = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name in random.sample(list(kinds), len(kinds)):
            rows[name].append(run(kinds[name], folder, connections, seconds))
    return rows


def ratio(ours: Sequence[Row], theirs: Sequence[Row], what: str = "cpu_us") -> float:
    """The median of theirs / ours, round by round."""
    pairs = zip(ours, theirs, strict=True)
    return median(getattr(their, what) / getattr(our, what) for our, their in pairs)


def show(kinds: Mapping[str, Kind], rows: Rows, connections: int, raw_us: float) -> None:
    """Print each server's medians: CPU, the part of it that is the model's own, and the rest."""
    for name, found in rows.items():
        cpu = median(row.cpu_us for row in found)
        print(
            f"   {connections:2} connections  {kinds[name].label:32} {cpu:8.1f} µs CPU/request"
            f" ({raw_us / cpu:4.0%} the model's) {median(row.per_s for row in found):7.0f}/s,"
            f" p99 {median(row.p99_ms for row in found):6.2f} ms, RSS {median(row.rss_mib for row in found):4.0f} MiB,"
            f" start {median(row.start_s for row in found):.2f} s"
        )


def compare(rows: Rows, name: str, others: Sequence[str], what: str = "cpu_us") -> None:
    """Print how many times *name*'s cost the others' is."""
    found = [f"{other} {ratio(rows[name], rows[other], what):.2f}" for other in others if other in rows]
    if found and name in rows:
        unit = {"cpu_us": "CPU a request", "per_s": "requests a second", "p99_ms": "p99", "rss_mib": "RSS"}
        print(f"      {unit.get(what, 'start')}, times {name}'s: {', '.join(found)}")
