"""When does a maintenance window open, and for how long? `0 2 * * sat for 4h in Europe/Berlin`, read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from edgetender.model.quantity import parse_duration

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# name, least, most, names and the number of the first of them
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], int], ...] = (
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day of the month", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of the week", 0, 7, _DAYS, 0),
)
_PART = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_LONGEST = timedelta(days=7)
_FORM = (
    "write it like '0 2 * * sat for 4h in Europe/Berlin': cron's five fields, how long, and where (else UTC)"
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Cron's five fields (crontab(5)). *either*: day of the month or of the week is enough, as there."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool

    def on(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        fits = (of_month or of_week) if self.either else (of_month and of_week)
        return fits and day.month in self.months


@dataclass(frozen=True, slots=True)
class Window:
    """Opens at each time of *cron* in *zone*, and is open for *length* from then on, whatever clocks do."""

    text: str
    cron: Cron
    length: timedelta
    zone: tzinfo


def window_of(text: str, zone_of: Callable[[str], tzinfo]) -> Window:
    """Read *text*; *zone_of* knows the IANA name. Raises ValueError."""
    found = re.fullmatch(r"(.+?)\s+for\s+(\S+)(?:\s+in\s+(\S+))?", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no window; {_FORM}")
    length = timedelta(seconds=parse_duration(found[2]))
    if not timedelta(minutes=1) <= length <= _LONGEST:
        raise ValueError(f"{found[2]!r} is no length of a window: a minute to {_LONGEST.days} days")
    return Window(text, cron_of(found[1]), length, zone_of(found[3] or "UTC"))


def cron_of(text: str) -> Cron:
    """Raises ValueError with the field that is wrong."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(fields)} fields, cron's are {len(_FIELDS)}; {_FORM}")
    minutes, hours, days, months, weekdays = (
        frozenset(_numbers(field, *of)) for field, of in zip(fields, _FIELDS, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)


def _numbers(
    field: str, name: str, least: int, most: int, names: tuple[str, ...], first: int
) -> Iterator[int]:
    def number(word: str) -> int:
        found = names.index(word) + first if word in names else int(word) if word.isdigit() else -1
        if not least <= found <= most:
            raise ValueError(f"{word!r} is no {name}: {least} to {most}")
        return found

    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None or match[4] == "0":
            raise ValueError(f"{part!r} is no {name} of cron's")
        whole, start, end, step = match.groups()
        low, high = (least, most) if whole == "*" else (number(start), number(end or start))
        if whole != "*" and end is None and step:
            high = most  # 5/10 is 5-59/10
        if low > high:
            raise ValueError(f"{part!r} ends before it begins")
        yield from range(low, high + 1, int(step or 1))
