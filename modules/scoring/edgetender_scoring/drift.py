"""Has what is asked drifted from what the model was made for? Mean, deviation and PSI of each feature. Pure.

PSI is the population stability index over the baseline's bins: below 0.1 nothing moved, above 0.25 something did.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LEAST_ROWS = 100  # with fewer, the index says more of the sample's size than of its values
_MOST_ROWS = 256  # of one request; of more, evenly
_MOST_FEATURES = 64
_SMALLEST = 1e-4
_LARGEST = 1e100  # its square is a number, too


@dataclass(frozen=True, slots=True)
class Reference:
    """One feature as it was: *shares* of the rows lie between the *edges*, one more than these."""

    mean: float
    stddev: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]


Baseline = Mapping[str, Reference]


def baseline_in(document: Any) -> Baseline:
    """What `edgetender package` wrote. Raises ValueError with what is wrong."""
    try:
        found = {str(name): _reference(one) for name, one in document["features"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no baseline: {error!r}") from error
    for name, one in found.items():
        if len(one.shares) != len(one.edges) + 1 or list(one.edges) != sorted(one.edges):
            raise ValueError(f"is no baseline: the bins of {name!r} do not fit together")
    if not 1 <= len(found) <= _MOST_FEATURES:
        raise ValueError(f"is no baseline: {len(found)} features; 1 to {_MOST_FEATURES} are followed")
    return found


def _reference(one: Mapping[str, Any]) -> Reference:
    edges, shares = (tuple(map(float, one[key])) for key in ("edges", "shares"))
    return Reference(float(one["mean"]), float(one["stddev"]), edges, shares)


def psi(shares: Sequence[float], counts: Sequence[int]) -> float | None:
    """The index of *counts* against *shares*; None for too few. Never negative."""
    rows, bins = sum(counts), len(shares)
    if rows < LEAST_ROWS:
        return None
    known = [max(share, _SMALLEST) for share in shares]
    total, value = sum(known), 0.0
    for share, count in zip(known, counts, strict=True):
        expected, actual = (
            share / total,
            (count + 0.5) / (rows + 0.5 * bins),
        )  # an empty bin is no proof of never
        value += (actual - expected) * math.log(actual / expected)
    return max(0.0, value)


def rows_in(document: Any) -> Iterator[Mapping[str, Any]]:
    """The rows that a request holds, each by feature: its name, or its place as text. What is none gives nothing."""
    columns: Sequence[Any] = ()
    while isinstance(document, Mapping):
        columns = found if isinstance(found := document.get("columns"), list) else columns
        inner = next(
            (document[key] for key in ("data", "input_data", "Inputs", "inputs") if key in document), None
        )
        if isinstance(inner, list) and inner and isinstance(inner[0], Mapping) and "shape" in inner[0]:
            yield from _of_tensors(inner)
            return
        document = inner
    if not isinstance(document, list):
        return
    for row in document[:: max(1, math.ceil(len(document) / _MOST_ROWS))]:
        if isinstance(row, Mapping):
            yield row
        else:
            values = row if isinstance(row, list) else [row]
            yield {str(columns[n]) if n < len(columns) else str(n): value for n, value in enumerate(values)}


def _of_tensors(tensors: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """The Open Inference Protocol's: one tensor of rows, or one for each feature."""
    try:
        if len(tensors) > 1:
            names = [str(one["name"]) for one in tensors]
            for values in zip(*(one["data"] for one in tensors), strict=False):
                yield dict(zip(names, values, strict=True))
            return
        shape, data = tensors[0]["shape"], tensors[0]["data"]
        if data and isinstance(data[0], list):
            yield from rows_in(data)
        elif int(shape[0]) > 0:
            width = len(data) // int(shape[0])
            yield from rows_in([data[at : at + width] for at in range(0, len(data), width)] if width else [])
    except (KeyError, TypeError, ValueError, IndexError):
        return


@dataclass(slots=True)
class _Feature:
    """Welford's running mean, and how many fell into each bin."""

    counts: list[int]
    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float, edges: Sequence[float]) -> None:
        self.rows += 1
        step = value - self.mean
        self.mean += step / self.rows
        self.squares += step * (value - self.mean)
        self.counts[bisect_right(edges, value)] += 1


@dataclass(slots=True)
class Window:
    """What was asked for so far, against *baseline*. One thread."""

    baseline: Baseline
    rows: int = 0
    _features: dict[str, _Feature] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._features = {name: _Feature([0] * len(one.shares)) for name, one in self.baseline.items()}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row; values that are no finite numbers, and features that the baseline has not, are left out."""
        known = False
        for name, feature in self._features.items():
            value = row.get(name)
            if isinstance(value, int | float) and abs(value) < _LARGEST:
                feature.add(float(value), self.baseline[name].edges)
                known = True
        self.rows += known

    def summary(self) -> dict[str, dict[str, Any]]:
        """By feature: rows, mean, stddev, psi (None for too few rows). Features nobody asked about are left out."""
        return {
            name: {
                "rows": one.rows,
                "mean": _rounded(one.mean),
                "stddev": _rounded(math.sqrt(one.squares / (one.rows - 1)) if one.rows > 1 else 0.0),
                "psi": None
                if (index := psi(self.baseline[name].shares, one.counts)) is None
                else round(index, 4),
            }
            for name, one in self._features.items()
            if one.rows
        }


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
