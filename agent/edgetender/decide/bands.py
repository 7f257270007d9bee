"""Did a sample change enough to be told upstream? Pure; the unit at the end of a figure's name says how much is enough.

A figure is compared with what was told of it last, so that one that swings around a bucket's edge is not told at each
swing; what is known upstream is never further from the truth than its band.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Band:
    """News is what is *absolute* away from what was told, and *relative* of it."""

    absolute: float
    relative: float = 0.0

    def holds(self, told: float, now: float) -> bool:
        return abs(now - told) < max(self.absolute, self.relative * abs(told))


# Totals always grow: they are for whoever asks how much it was between two messages.
TOTALS = frozenset({"cpuSeconds", "receivedBytes", "sentBytes", "requests", "errors"})
BANDS: Mapping[str, Band] = {
    "Ratio": Band(0.2, 0.2),  # of one core, a module's may be more than 1
    "Celsius": Band(3.0),
    "Bytes": Band(16 * _MIB, 0.25),
    "errorsPerSecond": Band(0.01, 0.5),  # the first error is news
    "PerSecond": Band(1.0, 0.5),
    "Milliseconds": Band(5.0, 0.5),
    "load1": Band(1.0, 0.5),
    "bootedAt": Band(60.0),  # it is reckoned from the clock, which is trimmed
}


@dataclass(frozen=True, slots=True)
class Told:
    """What was told last, and when: *at* in seconds of a clock that does not jump."""

    figures: Mapping[Path, Any]
    at: float


def figures_of(sample: Mapping[str, Any]) -> dict[Path, Any]:
    """Every value in *sample* by its path."""
    return dict(_leaves(sample, ()))


def band(path: Path) -> Band | None:
    """How far a figure may move unsaid; None where any change is news."""
    for name in reversed(path):  # temperatureCelsius is by sensor
        for unit, found in BANDS.items():
            if name.endswith(unit):
                return found
    return None


def is_news(told: Told | None, figures: Mapping[Path, Any], at: float, heartbeat_s: float) -> bool:
    """Whether *figures* are to be told at *at*: one left its band, came or went, or nothing was said for so long."""
    if told is None or at - told.at >= heartbeat_s or told.figures.keys() != figures.keys():
        return True
    return any(not _holds(path, told.figures[path], now) for path, now in figures.items())


def _holds(path: Path, told: Any, now: Any) -> bool:
    if path[-1] in TOTALS or told == now:
        return True
    found = band(path)
    return found is not None and _is_number(told) and _is_number(now) and found.holds(told, now)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    else:
        yield path, value
