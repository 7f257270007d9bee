"""When does a module leave the variant it runs? Down at once, up only after the better one stood for a while. Pure.

Without it a driver that comes and goes would restart a module again and again. What is not known moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.clock import rfc3339
from edgetender.decide.resolving import Chosen, Resolution, resolution_key
from edgetender.model.gate import Shut
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
    shut: Shut | None = None,
) -> Ledger:
    """The ledger with what each module runs as, and since when a better variant could run.

    It goes up once it could for *stable*. While all is *frozen* nothing goes up; what had to go down stays there.
    While the window for updates is *shut*, an accepted version is switched to no variant that is to be measured,
    or was measured to be quicker.
    """
    choices = dict(ledger.choices)
    for resolution in resolutions:
        waits = not resolution.urgent and resolution.slot != ledger.candidate
        for chosen in resolution.choices:
            key = resolution_key(resolution.slot, chosen.module)
            runs = _as_it_is(choices.get(key), chosen, now)
            against = shut if waits and chosen.by_figures else None
            choices[key] = runs if frozen else _up(runs, chosen, now, stable, against)
    return ledger if choices == dict(ledger.choices) else replace(ledger, choices=choices)


def _as_it_is(before: Choice | None, chosen: Chosen, now: datetime) -> Choice:
    if before is None or (before.variant, before.image) != (chosen.variant, chosen.image):
        climbed = before.climbed_at if before else None
        before = Choice(
            chosen.variant, chosen.image, chosen.devices, chosen.injection, now, climbed_at=climbed
        )
    else:
        before = replace(before, devices=chosen.devices, injection=chosen.injection, waits="", waits_code="")
    return replace(before, measuring=chosen.measuring or (before.measuring and chosen.better is not None))


def _up(before: Choice, chosen: Chosen, now: datetime, stable: timedelta, shut: Shut | None) -> Choice:
    if chosen.better is None:
        return replace(before, better="", better_since=None)
    if before.better != chosen.better or before.better_since is None or now < before.better_since:
        before = replace(before, better=chosen.better, better_since=now)
    since, climbed = before.better_since or now, before.climbed_at
    rested = climbed is None or not timedelta(0) <= now - climbed < BETWEEN
    if not chosen.at_once and (now - since < stable or not rested):
        return before
    if shut is not None:
        until = f", until {rfc3339(shut.until)}" if shut.until else ""
        return replace(before, waits=f"{_waits(chosen)}: {shut.why}{until}", waits_code=shut.code)
    if chosen.at_once:
        return Choice(chosen.better, chosen.better_image, (), None, now, climbed_at=climbed, measuring=True)
    return Choice(chosen.better, chosen.better_image, (), None, now, climbed_at=now)


def _waits(chosen: Chosen) -> str:
    return "waits to be measured" if chosen.at_once else "waits to be taken"
