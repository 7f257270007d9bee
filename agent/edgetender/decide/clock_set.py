"""The clock was set: since when has been waited for what, by the clock of now? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.model.gate import Hold
from edgetender.model.ledger import Choice, Demotion, Ledger, Ticking, Weighed

SLEW = timedelta(seconds=1)  # less is how clocks are trimmed, and nobody's waiting depends on it


def counted(ledger: Ledger, boot: int, since_boot_s: float, now: datetime) -> Ledger:
    """The ledger as if the clock had always gone as it does now, also while no agent ran.

    *boot* says which boot it is, *since_boot_s* what a clock that nobody sets counts within it. After another boot
    nobody knows for how long the device was off: what was waited for begins anew, and so is over for nobody early.
    """
    ticking, known = Ticking(boot, now - timedelta(seconds=since_boot_s)), ledger.ticking
    if known is None or known.number != boot:
        return replace(_begun_anew(ledger, now), ticking=ticking)
    by = ticking.began_at - known.began_at
    return ledger if abs(by) < SLEW else replace(_moved(ledger, by), ticking=ticking)


def _moved(ledger: Ledger, by: timedelta) -> Ledger:
    """The ledger with what is counted from or to a moment *by* later.

    What is written down for people (when a version came, when a container ended) stays as it was.
    """
    attempts = {key: replace(one, last_at=_later(one.last_at, by)) for key, one in ledger.attempts.items()}
    since, delayed = ledger.settling_since, ledger.passage.delayed_since
    return replace(
        ledger,
        attempts=attempts,
        weighed={module: _weighed(one, by) for module, one in ledger.weighed.items()},
        choices={key: _chosen(one, by) for key, one in ledger.choices.items()},
        demotions=tuple(_demoted(one, by) for one in ledger.demotions),
        holds=_held(ledger.holds, by),
        delays=_held(ledger.delays, by),
        settling_since=_moment(since, by),
        passage=replace(ledger.passage, delayed_since=_moment(delayed, by)),
    )


def _begun_anew(ledger: Ledger, now: datetime) -> Ledger:
    """What ends at a moment that somebody was told (a hold) ends then, by whatever clock there is."""
    weighed = {module: replace(one, over_since=None, over_at=None) for module, one in ledger.weighed.items()}
    choices = {key: replace(one, better="", better_since=None) for key, one in ledger.choices.items()}
    return replace(
        ledger,
        attempts={key: replace(one, last_at=now) for key, one in ledger.attempts.items()},
        weighed=weighed,
        choices=choices,
        settling_since=None,
        passage=replace(ledger.passage, delayed_since=None),
    )


def _weighed(one: Weighed, by: timedelta) -> Weighed:
    return replace(one, over_since=_moment(one.over_since, by), over_at=_moment(one.over_at, by))


def _chosen(one: Choice, by: timedelta) -> Choice:
    return replace(one, better_since=_moment(one.better_since, by), climbed_at=_moment(one.climbed_at, by))


def _demoted(one: Demotion, by: timedelta) -> Demotion:
    return replace(one, until=_moment(one.until, by))


def _held(holds: Mapping[str, Hold], by: timedelta) -> dict[str, Hold]:
    return {name: replace(hold, until=_moment(hold.until, by)) for name, hold in holds.items()}


def _moment(moment: datetime | None, by: timedelta) -> datetime | None:
    return _later(moment, by) if moment is not None else None


def _later(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # a clock can be set to any year
        return moment
