"""On which line of a TOML file does a key stand? tomllib does not say, and a fault needs its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=(.*)", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def lines_of(text: str) -> dict[Path, int]:
    """Return the line, from 1, on which each table and key of *text* (valid TOML) begins.

    A key inside an inline table is not listed: it stands where the key that holds the table stands.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in _outside_long_strings(text):
        if match := _TABLE.match(line):
            table = _parts(match[1])
            found.setdefault(table, number)
        elif match := _ASSIGNMENT.match(line):
            found.setdefault((*table, *_parts(match[1])), number)
    return found


def line_of(path: Path, lines: dict[Path, int]) -> int:
    """The line of *path*, or of the nearest table around it that has one."""
    for length in range(len(path), 0, -1):
        if line := lines.get(path[:length]):
            return line
    return 1


def dotted(path: Path) -> str:
    """`registries."localhost:5000".ca`: as one would write it in the file."""
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in path)


def _parts(key: str) -> Path:
    value = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        ((part, value),) = value.items()
        parts.append(part)
    return tuple(parts)


def _outside_long_strings(text: str) -> Iterator[tuple[int, str]]:
    """Lines that begin outside of a \"\"\" or ''' string."""
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            if closing not in line:
                continue
            line = line.split(closing, 1)[1]  # noqa: PLW2901  what follows the string's end
            closing = ""
        else:
            yield number, line
        opened = re.search(r'"""|\'\'\'', line)
        if opened and opened[0] not in line[opened.end() :]:
            closing = opened[0]
