"""The clock was set: since when has been waited for what, by the clock of now? Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.model.ledger import Ledger

SLEW = timedelta(seconds=1)  # less is how clocks are trimmed, and nobody's waiting depends on it


def moved(ledger: Ledger, by: timedelta) -> Ledger:
    """The ledger as if the clock had always gone as it does now, *by* more than it did.

    So that settling and back-offs take as long as they should, whichever way it was set. What is written down for
    people (when a version came, when a container ended) stays as it was.
    """
    if abs(by) < SLEW:
        return ledger
    attempts = {key: replace(one, last_at=_moved(one.last_at, by)) for key, one in ledger.attempts.items()}
    weighed = {
        module: replace(
            one,
            over_since=_moved(one.over_since, by) if one.over_since else None,
            over_at=_moved(one.over_at, by) if one.over_at else None,
        )
        for module, one in ledger.weighed.items()
    }
    since, delayed = ledger.settling_since, ledger.passage.delayed_since
    return replace(
        ledger,
        attempts=attempts,
        weighed=weighed,
        settling_since=_moved(since, by) if since else None,
        passage=replace(ledger.passage, delayed_since=_moved(delayed, by) if delayed else None),
    )


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # a clock can be set to any year
        return moment
