"""What was the data like that the model was made for? Mean, deviation and bins of each feature, for the image.

The scoring server compares with it what it is asked in production (`edgetender_scoring.drift`). Rows themselves do not
go into the image: they may be about people.
"""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, Problem

NAME = "edgetender-baseline.json"
LEAST_ROWS = 20
MOST_FEATURES = 64
_BINS = 10
_LARGEST = 1e100


def read(file: Path) -> bytes:
    """The baseline of the rows in *file*: CSV with a header, or the JSON of a /score request. Raises ConfigInvalid."""
    try:
        text = file.read_text(encoding="utf-8")
        return canonical(
            baseline_of(_csv(text) if file.suffix.lower() == ".csv" else _json(json.loads(text)))
        )
    except (OSError, ValueError, csv.Error) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigInvalid((Problem("--baseline", "baseline.invalid", f"{file}: {said}"),)) from error


def baseline_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`{"features": {name: {mean, stddev, edges, shares}}, "rows": …}`; columns that hold no numbers are left out.

    Raises ValueError where there is too little, or too much, to follow.
    """
    values: dict[str, list[float]] = {}
    count = 0
    for row in rows:
        count += 1
        for name, value in row.items():
            if isinstance(value, int | float) and abs(value) < _LARGEST:
                values.setdefault(name, []).append(float(value))
    known = {name: found for name, found in values.items() if len(found) >= LEAST_ROWS}
    if not known:
        raise ValueError(
            f"no column has {LEAST_ROWS} numbers; give more rows of the data the model was made with"
        )
    if len(known) > MOST_FEATURES:
        raise ValueError(f"{len(known)} columns of numbers; at most {MOST_FEATURES} are followed")
    return {"rows": count, "features": {name: _feature(found) for name, found in known.items()}}


def _feature(values: Sequence[float]) -> dict[str, Any]:
    edges = _edges(values)
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    return {
        "mean": (mean := statistics.fmean(values)),
        "stddev": math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)),
        "edges": edges,
        "shares": [count / len(values) for count in counts],
    }


def _edges(values: Sequence[float]) -> list[float]:
    """Deciles; of few different values each has its bin, and what lies outside has one on either side."""
    different = sorted(set(values))
    if len(different) > _BINS:
        return sorted(set(statistics.quantiles(values, n=_BINS, method="inclusive")))
    between = [low + (high - low) / 2 for low, high in pairwise(different)]
    margin = (different[-1] - different[0]) / 2 / max(1, len(different) - 1) or max(
        abs(different[0]) / 2, 0.5
    )
    return sorted({different[0] - margin, *between, different[-1] + margin})


def _csv(text: str) -> list[dict[str, Any]]:
    return [
        {name: _number(value) for name, value in row.items() if name}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _json(document: Any) -> list[Mapping[str, Any]]:
    columns: Sequence[Any] = ()
    while isinstance(document, Mapping):
        columns = document.get("columns") or columns
        document = next((document[key] for key in ("data", "input_data", "Inputs") if key in document), None)
    if not isinstance(document, list):
        raise ValueError('holds no rows; write {"data": [[…], …]} or [{"column": …}, …]')
    return [
        row if isinstance(row, Mapping) else _named(row if isinstance(row, list) else [row], columns)
        for row in document
    ]


def _named(row: Sequence[Any], columns: Sequence[Any]) -> dict[str, Any]:
    return {str(columns[n]) if n < len(columns) else str(n): value for n, value in enumerate(row)}
