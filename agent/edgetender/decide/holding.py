"""When does a module leave the variant it runs? Down at once, up only after the better one stood for a while. Pure.

Without it a driver that comes and goes would restart a module again and again. What is not known moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.decide.resolving import Chosen, Resolution, resolution_key
from edgetender.model.ledger import Choice, Ledger

STABLE = timedelta(minutes=5)
BETWEEN = timedelta(hours=1)


def held(
    ledger: Ledger,
    resolutions: Iterable[Resolution],
    now: datetime,
    *,
    frozen: bool = False,
    stable: timedelta = STABLE,
    open_now: bool = True,
) -> Ledger:
    """The ledger with what each module runs as, and since when a better variant could run.

    It goes up once it could for *stable*. While all is *frozen* nothing goes up; what had to go down stays there.
    While the window for updates is not *open_now*, an accepted version is switched to no variant that is to be
    measured, or was measured to be quicker.
    """
    choices = dict(ledger.choices)
    for resolution in resolutions:
        waits = not open_now and not resolution.urgent and resolution.slot != ledger.candidate
        for chosen in resolution.choices:
            key = resolution_key(resolution.slot, chosen.module)
            runs = _as_it_is(choices.get(key), chosen, now)
            may = not (waits and chosen.by_figures)
            choices[key] = runs if frozen else _up(runs, chosen, now, stable, may=may)
    return ledger if choices == dict(ledger.choices) else replace(ledger, choices=choices)


def _as_it_is(before: Choice | None, chosen: Chosen, now: datetime) -> Choice:
    if before is None or (before.variant, before.image) != (chosen.variant, chosen.image):
        climbed = before.climbed_at if before else None
        before = Choice(
            chosen.variant, chosen.image, chosen.devices, chosen.injection, now, climbed_at=climbed
        )
    else:
        before = replace(before, devices=chosen.devices, injection=chosen.injection)
    return replace(before, measuring=chosen.measuring or (before.measuring and chosen.better is not None))


def _up(before: Choice, chosen: Chosen, now: datetime, stable: timedelta, *, may: bool) -> Choice:
    if chosen.better is not None and chosen.at_once and may:
        return Choice(
            chosen.better, chosen.better_image, (), None, now, climbed_at=before.climbed_at, measuring=True
        )
    if chosen.better is None:
        return replace(before, better="", better_since=None)
    if before.better != chosen.better or before.better_since is None or now < before.better_since:
        return replace(before, better=chosen.better, better_since=now)
    rested = before.climbed_at is None or not timedelta(0) <= now - before.climbed_at < BETWEEN
    if now - before.better_since < stable or not rested or not may:
        return before
    return Choice(chosen.better, chosen.better_image, (), None, now, climbed_at=now)
