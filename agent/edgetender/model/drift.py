"""How far did a module's requests drift? The scoring server's hourly message, which anybody may write."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_MARK = b'"drift"'  # most messages are of something else, and are not read again
_MOST_FEATURES = 64
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Feature:
    """What *rows* of one feature were like; *psi* against the packaged baseline, None for too few of them."""

    rows: int
    mean: float
    stddev: float
    psi: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """What was asked of a module from *since* until *until*, by feature."""

    since: datetime
    until: datetime
    features: Mapping[str, Feature]


def drift_in(message: bytes) -> Drift | None:
    """What *message* says of drift; None for one that says nothing of it, or something else by the same name."""
    if _MARK not in message:
        return None
    try:
        said = json.loads(message)["drift"]
        since, until = (datetime.fromtimestamp(said[key], UTC) for key in ("from", "to"))
        named = [(name, _feature(one)) for name, one in said["features"].items()]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError, RecursionError):
        return None
    if not named or len(named) > _MOST_FEATURES or max(len(name) for name, _ in named) > _LONGEST_NAME:
        return None
    return Drift(since, until, dict(named)) if since <= until else None


def _feature(said: Mapping[str, Any]) -> Feature:
    rows, mean, stddev, psi = (said[key] for key in ("rows", "mean", "stddev", "psi"))
    return Feature(int(_number(rows)), _number(mean), _number(stddev), None if psi is None else _number(psi))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("is no number")
    return float(value)
