"""Which of what modules said of drift is of the last day? Pure; hours as they were told, not buckets of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from edgetender.clock import rfc3339
from edgetender.model.drift import Drift

MOST = 30  # of one module; hourly ones are 24 a day, and a server that ends says one more
_DAY, _SLACK = timedelta(days=1), timedelta(minutes=5)

Drifts = Mapping[str, tuple[Drift, ...]]  # by module, as they came


def with_drift(drifts: Drifts, module: str, said: Drift, now: datetime) -> Drifts:
    """*drifts* with what *module* said, and without what is older than a day or, by a clock that was set, to come."""
    told = {**drifts, module: (*drifts.get(module, ()), said)}
    kept = {name: tuple(_of_the_day(ones, now))[-MOST:] for name, ones in told.items()}
    return {name: ones for name, ones in kept.items() if ones}


def drift_document(drifts: Drifts, now: datetime) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The last day by module and feature, each with what was told of it, oldest first."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, ones in sorted(drifts.items()):
        for one in sorted(_of_the_day(ones, now), key=lambda each: each.until):
            for feature, said in one.features.items():
                found.setdefault(name, {}).setdefault(feature, []).append(
                    {
                        "from": rfc3339(one.since),
                        "to": rfc3339(one.until),
                        "rows": said.rows,
                        "mean": said.mean,
                        "stddev": said.stddev,
                        "psi": said.psi,
                    }
                )
    return found


def _of_the_day(ones: Iterable[Drift], now: datetime) -> Iterable[Drift]:
    return (one for one in ones if now - _DAY < one.until <= now + _SLACK)
