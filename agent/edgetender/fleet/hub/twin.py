"""A device's twin: desired and reported properties, each with its version and the hub's limits. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SECTION_BYTES, KEY_BYTES, TEXT_BYTES, DEPTH = 32 * 1024, 1024, 4 * 1024, 10
_INTEGER = 4503599627370496
_FORBIDDEN = frozenset(". $") | {chr(code) for code in (*range(32), *range(127, 160))}


class TwinRefused(Exception):
    """The hub says no: *status* is what the device is told."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True)
class Section:
    """Desired or reported properties. *version* rises with each patch, also with one that changes nothing."""

    properties: dict[str, Any] = field(default_factory=dict)
    version: int = 1

    def patch(self, changes: Any) -> int:
        """Merge *changes* (null removes) and return the new version. Raises TwinRefused; then nothing changed."""
        if not isinstance(changes, dict):
            raise TwinRefused("a patch is a JSON object")
        changes = {key: value for key, value in changes.items() if not key.startswith("$")}
        merged = copy.deepcopy(self.properties)
        merge(merged, changes)
        for fault in faults(merged):
            raise TwinRefused(fault)
        self.properties, self.version = merged, self.version + 1
        return self.version

    def document(self) -> dict[str, Any]:
        return copy.deepcopy(self.properties) | {"$version": self.version}


@dataclass(slots=True)
class Twin:
    desired: Section = field(default_factory=Section)
    reported: Section = field(default_factory=Section)

    def document(self) -> dict[str, Any]:
        return {"desired": self.desired.document(), "reported": self.reported.document()}


def merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """JSON merge-patch, in place: null removes a key, an object goes into an object, all else replaces."""
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            inner = target.get(key)
            target[key] = inner if isinstance(inner, dict) else {}
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def replacing(old: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge-patch that makes *old* exactly *wanted*."""
    patch: dict[str, Any] = dict.fromkeys(old.keys() - wanted.keys())
    for key, value in wanted.items():
        before = old.get(key)
        inside = isinstance(value, dict) and isinstance(before, dict)
        patch[key] = replacing(before, value) if inside else value  # type: ignore[arg-type]  # it is a dict
    return patch


def size_of(value: Any) -> int:
    """What the hub counts: keys and texts in UTF-8, numbers 8 bytes, booleans 4."""
    match value:
        case dict():
            return sum(len(key.encode()) + size_of(inner) for key, inner in value.items())
        case list():
            return sum(map(size_of, value))
        case bool():
            return 4
        case str():
            return len(value.encode())
        case None:
            return 0
        case _:
            return 8


def faults(properties: Mapping[str, Any]) -> Iterator[str]:
    """Every reason why a section may not be like this."""
    if (size := size_of(properties)) > SECTION_BYTES:
        yield f"the properties have {size} bytes; at most {SECTION_BYTES} are kept"
    yield from _faults(properties, "", 1)


def _faults(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > DEPTH and isinstance(value, dict):
        yield f"{path} is nested deeper than {DEPTH}"
        return
    match value:
        case dict():
            for key, inner in value.items():
                where = f"{path}.{key}" if path else key
                if len(key.encode()) > KEY_BYTES or not key or set(key) & _FORBIDDEN:
                    yield f"{where!r} is no key: at most {KEY_BYTES} bytes without . $ space or control characters"
                yield from _faults(inner, where, depth + 1)
        case list():
            for index, inner in enumerate(value):
                yield from _faults(inner, f"{path}[{index}]", depth + 1)
        case str() if len(value.encode()) > TEXT_BYTES:
            yield f"{path} has {len(value.encode())} bytes; a text has at most {TEXT_BYTES}"
        case int() if abs(value) > _INTEGER:
            yield f"{path} is beyond ±{_INTEGER}"


def read_patch(body: bytes) -> Any:
    """A patch as a device sends it. Raises TwinRefused."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise TwinRefused(f"no JSON: {error}") from error
