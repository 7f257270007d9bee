"""What does each key of the configuration mean, in the words of its declaration?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from edgetender.config.lines import dotted
from edgetender.config.settings import Settings


def meanings(settings: Settings) -> dict[str, str]:
    """By key as `Settings.entries` spells it; empty for names an operator chose (labels)."""
    return {dotted(path): meaning for path, meaning in _of(settings, (), "")}


def _of(value: Any, path: tuple[str, ...], meaning: str) -> Iterator[tuple[tuple[str, ...], str]]:
    if is_dataclass(value):
        hints = get_type_hints(type(value), include_extras=True)
        for one in fields(value):
            said = [each for each in get_args(hints[one.name]) if isinstance(each, str)]
            yield from _of(getattr(value, one.name), (*path, one.name), said[0] if said else "")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _of(member, (*path, name), "")
    else:
        yield path, meaning
