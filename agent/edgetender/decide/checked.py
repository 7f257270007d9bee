"""One predicate and what became of it: true, false or unknown, with the observed value and a reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from edgetender.model.hardware import Fact, Value
from edgetender.model.requirements import size_terms
from edgetender.model.units import size_text
from edgetender.model.versions import VersionRange, numbers, version_range


class Truth(StrEnum):
    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Checked(NamedTuple):
    """What a variant asked (*name*, *wanted*), what was found, and so whether it holds."""

    name: str
    wanted: str
    observed: str
    truth: Truth
    source: str = ""
    code: str = ""
    detail: str = ""
    implied: bool = False  # by the image, not written in the manifest

    def __str__(self) -> str:
        said = f"{self.name} {self.wanted}: {self.observed}"
        return f"{said} ({self.detail})" if self.detail else said


def truth(held: bool) -> Truth:
    return Truth.TRUE if held else Truth.FALSE


def worst(found: Iterable[Truth]) -> Truth:
    """All of them: false beats unknown beats true."""
    seen = set(found)
    return next((each for each in (Truth.FALSE, Truth.UNKNOWN) if each in seen), Truth.TRUE)


def best(found: Iterable[Truth]) -> Truth:
    """Any of them."""
    seen = set(found)
    return next((each for each in (Truth.TRUE, Truth.UNKNOWN) if each in seen), Truth.FALSE)


def inverse(found: Truth) -> Truth:
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(found, Truth.UNKNOWN)


def not_known(name: str, wanted: str, fact: Fact) -> Checked:
    return Checked(name, wanted, "unknown", Truth.UNKNOWN, fact.source, fact.code or "unknown", fact.detail)


def equals(name: str, wanted: str | bool, fact: Fact) -> Checked:
    """The value itself, or a pattern with `*`."""
    if fact.value is None:
        return not_known(name, _text(wanted), fact)
    found, pattern = _text(fact.value), _text(wanted)
    held = fnmatchcase(found.lower(), pattern.lower())
    return Checked(name, pattern, found, truth(held), fact.source, "" if held else "differs", fact.detail)


def in_range(name: str, wanted: str, fact: Fact) -> Checked:
    """A version or a number compared by its components."""
    found = numbers(_text(fact.value)) if fact.value is not None else None
    if found is None:
        return not_known(name, wanted, fact)
    held = ranged(wanted).holds(found)
    code = "" if held else "out_of_range"
    return Checked(name, wanted, _text(fact.value), truth(held), fact.source, code, fact.detail)


def in_sizes(name: str, wanted: str, fact: Fact) -> Checked:
    if not isinstance(fact.value, int | float):
        return not_known(name, wanted, fact)
    held = all(_COMPARE[operator](fact.value, limit) for operator, limit in _sizes(wanted))
    code = "" if held else "too_small"
    return Checked(name, wanted, size_text(fact.value), truth(held), fact.source, code, fact.detail)


def has_all(name: str, wanted: tuple[str, ...], fact: Fact) -> Checked:
    """Every one of *wanted*, patterns allowed, among the values of *fact*."""
    asked = ", ".join(wanted)
    if not isinstance(fact.value, tuple):
        return not_known(name, asked, fact)
    missing = [one for one in wanted if not _among(one, fact.value)]
    if not missing:
        return Checked(name, asked, "all there", Truth.TRUE, fact.source)
    return Checked(name, asked, f"no {', '.join(missing)}", Truth.FALSE, fact.source, "missing", fact.detail)


def _among(pattern: str, values: tuple[str, ...]) -> bool:
    lower = pattern.lower()
    known = _lowered(values)
    if "*" not in lower and "?" not in lower:
        return lower in known
    return any(fnmatchcase(value, lower) for value in known)


@lru_cache(maxsize=64)
def _lowered(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(value.lower() for value in values)


_COMPARE = {
    ">=": lambda found, limit: found >= limit,
    "<=": lambda found, limit: found <= limit,
    ">": lambda found, limit: found > limit,
    "<": lambda found, limit: found < limit,
    "==": lambda found, limit: found == limit,
    "!=": lambda found, limit: found != limit,
}


@lru_cache(maxsize=1024)
def ranged(text: str) -> VersionRange:
    return version_range(text)


@lru_cache(maxsize=1024)
def _sizes(text: str) -> tuple[tuple[str, int], ...]:
    return size_terms(text)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
