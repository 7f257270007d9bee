"""How versions are compared: numbers by component, `12.10` above `12.9`, `535.104.05` above `535.86.10`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_VERSION = re.compile(r"v?\d+(?:\.\d+)*")
_TERM = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*(v?\d+(?:\.\d+)*)\s*")
Numbers = tuple[int, ...]


@lru_cache(maxsize=4096)
def numbers(text: str) -> Numbers | None:
    """The leading version in *text* (`5.0.1 DP` is 5.0.1, `v3` is 3); None where it begins with none."""
    match = _VERSION.match(text.strip())
    return tuple(int(part) for part in match[0].removeprefix("v").split(".")) if match else None


def rank(text: str) -> Numbers:
    """What versions are sorted by; that which begins with no number comes first."""
    return numbers(text) or ()


def compared(one: Numbers, other: Numbers) -> int:
    """-1, 0 or 1; what one of them leaves out is 0."""
    width = max(len(one), len(other))
    a, b = one + (0,) * (width - len(one)), other + (0,) * (width - len(other))
    return (a > b) - (a < b)


@dataclass(frozen=True, slots=True)
class Term:
    operator: str
    wanted: Numbers

    def holds(self, found: Numbers) -> bool:
        order = compared(found, self.wanted)
        match self.operator:
            case ">=":
                return order >= 0
            case "<=":
                return order <= 0
            case ">":
                return order > 0
            case "<":
                return order < 0
            case "!=":
                return order != 0
            case _:
                return order == 0


@dataclass(frozen=True, slots=True)
class VersionRange:
    """What `>=6.1,<7` means: all of its terms."""

    text: str
    terms: tuple[Term, ...]

    def holds(self, found: Numbers) -> bool:
        return all(term.holds(found) for term in self.terms)


def version_range(text: str) -> VersionRange:
    """Read `>=6.1,<7`, `==8.7` or a bare `12.6`, which is equality. Raises ValueError."""
    terms = []
    for part in text.split(","):
        match = _TERM.fullmatch(part)
        if match is None:
            raise ValueError(f"{text!r} is no version range; write it like >=6.1,<7")
        wanted = numbers(match[2])
        terms.append(Term(match[1] or "==", wanted or (0,)))
    return VersionRange(text, tuple(terms))
