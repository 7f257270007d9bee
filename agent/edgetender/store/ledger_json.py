"""How the ledger's values are written as JSON and read back: by the types of their fields.

A reader takes a document of a neighbouring release: unknown keys are passed over, absent ones take the
field's default. Anything else that does not fit its type raises ValueError.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from edgetender.model.ledger import Ledger

SECTIONS = tuple(field.name for field in dataclasses.fields(Ledger))


def dump(value: object) -> str:
    """*value* as JSON, ASCII only: a container's last words may hold what is no Unicode text."""
    return json.dumps(_plain(value), separators=(",", ":"), sort_keys=True)


def load(kind: Any, text: str) -> Any:
    """The value of type *kind* that `dump` wrote. Raises ValueError."""
    return _value(kind, json.loads(text))


def load_section(section: str, text: str) -> Any:
    """One field of the ledger. Raises ValueError; KeyError for a section this release does not know."""
    return load(_hints(Ledger)[section], text)


def with_floor_held(ledger: Ledger) -> Ledger:
    """Raise the floor to the slots' versions: a floor row that was lost must not let an older manifest in."""
    for slot in (ledger.candidate, ledger.accepted):
        if slot is not None and slot.edition > (ledger.floor_epoch, ledger.floor):
            ledger = dataclasses.replace(
                ledger, floor=slot.version, floor_sha256=slot.sha256, floor_epoch=slot.epoch
            )
    return ledger


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case frozenset():
            return sorted(value)
        case tuple():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"cannot write a {type(value).__name__} into the ledger")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, value: Any) -> Any:  # one return per shape reads best
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (inner,) = (arg for arg in args if arg is not NoneType)
        return None if value is None else _value(inner, value)
    if origin is tuple:
        items = _of(list, value)
        kinds = [args[0]] * len(items) if args[-1] is Ellipsis else list(args)
        return tuple(_value(inner, item) for inner, item in zip(kinds, items, strict=True))
    if origin is frozenset:
        return frozenset(_value(args[0], item) for item in _of(list, value))
    if origin is Mapping:
        return MappingProxyType({key: _value(args[1], item) for key, item in _of(dict, value).items()})
    if dataclasses.is_dataclass(kind):
        return _instance(kind, _of(dict, value))
    if kind is datetime:
        return datetime.fromisoformat(_of(str, value))
    return _of(kind, value)


def _instance(kind: Any, value: dict[str, Any]) -> Any:
    known = {name: _value(inner, value[name]) for name, inner in _hints(kind).items() if name in value}
    try:
        return kind(**known)
    except TypeError as error:  # a field without a default is absent
        raise ValueError(str(error)) from error


def _of(kind: Any, value: Any) -> Any:
    # bool is an int to Python, not here
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{kind.__name__} was to be here, not {type(value).__name__}")
    return value
