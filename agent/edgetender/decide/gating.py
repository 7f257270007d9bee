"""May the candidate's images be fetched now, may its containers be made? Pure.

What runs is kept running whatever is shut. A candidate whose containers are being made is brought to its end,
accepted or taken back: half of an update is nobody's wish. An operator's hold waits for that, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.clock import rfc3339
from edgetender.decide.claiming import conflict
from edgetender.decide.resolving import Resolution
from edgetender.decide.stride import on_trial
from edgetender.decide.trusting import trusted_time
from edgetender.decide.windows import opens_at, shuts_at
from edgetender.model.gate import DEVICE, OPEN, Gate, Hold, Passage, Rules, Shut
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed
from edgetender.model.target import Target
from edgetender.model.window import Window

_SLACK = timedelta(days=1)  # of clocks that differ


def gate(
    ledger: Ledger,
    rules: Rules,
    observed: Observed,
    candidate: Resolution | None,
    accepted: Resolution | None,
    now: datetime,
) -> Gate:
    """What *candidate* waits for."""
    slot, passage = ledger.candidate, passage_of(ledger)
    if slot is None or passage.began:
        return OPEN
    if (hold := _held(ledger, DEVICE, now)) is not None:
        shut = _on_hold("the device", hold)
        return Gate(shut, shut)
    hurry = passage.hurry or (candidate is not None and candidate.urgent)
    names = _touched(candidate, accepted)
    download = None if hurry else _window("download", rules.download, ledger, now)
    held = ((name, _held(ledger, name, now)) for name in sorted(names))
    shut_by = next((_on_hold(name, hold) for name, hold in held if hold is not None), None)
    if shut_by is None and not hurry:
        delayed = _delay(ledger, rules, observed.locks, names, now)
        shut_by = _window("apply", rules.apply, ledger, now) or delayed
    return Gate(download, shut_by or conflict(candidate, accepted, observed))


def passage_of(ledger: Ledger) -> Passage:
    """That of the candidate there is now."""
    sha256 = ledger.candidate.sha256 if ledger.candidate else ""
    return ledger.passage if ledger.passage.sha256 == sha256 else Passage(sha256)


def is_frozen(ledger: Ledger, now: datetime) -> bool:
    """Whether nothing at all shall change, but for what keeps alive what runs."""
    return _held(ledger, DEVICE, now) is not None


def no_switch(ledger: Ledger, rules: Rules, now: datetime) -> Shut | None:
    """Why what runs is not switched to a variant that is only quicker: nobody is in a hurry for that."""
    return _window("apply", rules.apply, ledger, now)


def cycle_begun(ledger: Ledger) -> Ledger:
    """The ledger without who ended holds: the cycle before told it."""
    return replace(ledger, released={}) if ledger.released else ledger


def went_on(ledger: Ledger, target: Target, now: datetime) -> Ledger:
    """The ledger with how far the candidate has come, and without holds that are over."""
    passage, found = passage_of(ledger), target.gate
    ready = found.download is None and not target.fetch and not target.blocked
    if on_trial(target, ledger):
        passage = replace(passage, began=True)
    if ready and found.apply is not None and found.apply.code == "hold.module":
        since = passage.delayed_since
        passage = replace(passage, delayed_since=now if since is None or now < since else since)
    holds = {name: hold for name, hold in ledger.holds.items() if hold.until is None or _lasts(hold, now)}
    delays = {name: hold for name, hold in ledger.delays.items() if _lasts(hold, now)}
    after = replace(ledger, passage=passage, holds=holds, delays=delays)
    return after if after != ledger else ledger


def _touched(candidate: Resolution | None, accepted: Resolution | None) -> frozenset[str]:
    """The modules that would be changed, made or removed."""
    new, old = _specs(candidate), _specs(accepted)
    return frozenset(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))


def _specs(resolution: Resolution | None) -> dict[str, str]:
    return {spec.module: spec.digest for spec in resolution.containers} if resolution else {}


def _held(ledger: Ledger, name: str, now: datetime) -> Hold | None:
    hold = ledger.holds.get(name)
    return hold if hold is not None and _lasts(hold, now) else None


def _lasts(hold: Hold, now: datetime) -> bool:
    return hold.until is None or now < hold.until


def _on_hold(what: str, hold: Hold) -> Shut:
    why = f": {hold.reason}" if hold.reason else ""
    return Shut("hold.operator", f"{what} is held by {hold.by}{why}", hold.until)


def _window(what: str, windows: tuple[Window, ...], ledger: Ledger, now: datetime) -> Shut | None:
    if not windows:
        return None
    if now + _SLACK < trusted_time(now, ledger):
        why = f"the clock says {rfc3339(now)}, which is past: no window opens by it"
        return Shut("clock.not_set", why)
    if shuts_at(windows, now) is not None:
        return None
    opens = opens_at(windows, now)
    said = " or ".join(window.text for window in windows)
    return Shut(f"window.{what}", f"{what} is for {said}", opens)


def _delay(
    ledger: Ledger, rules: Rules, locks: Mapping[str, Hold], names: frozenset[str], now: datetime
) -> Shut | None:
    """A module's own wish, for as long as all of them together may hinder one version."""
    since = passage_of(ledger).delayed_since
    last = (since if since is not None and since <= now else now) + rules.delay_most
    if now >= last:
        return None
    for name in sorted(names):
        for hold in (locks.get(name), ledger.delays.get(name)):
            if hold is None or not _lasts(hold, now):
                continue
            until = min(hold.until or last, last)
            why = f": {hold.reason}" if hold.reason else ""
            return Shut("hold.module", f"{name} asks for time{why}", until)
    return None
