"""How people write sizes and durations (`256MiB`, `1.5h`), as bytes and seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_BYTES = {
    "": 1, "B": 1,
    "K": 1000, "KB": 1000, "M": 1000**2, "MB": 1000**2, "G": 1000**3, "GB": 1000**3, "T": 1000**4, "TB": 1000**4,
    "KI": 1024, "KIB": 1024, "MI": 1024**2, "MIB": 1024**2, "GI": 1024**3, "GIB": 1024**3,
    "TI": 1024**4, "TIB": 1024**4,
}  # fmt: skip
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_size(value: Any) -> int:
    """Bytes in *value*: a number of bytes, or text such as `256MiB`, `1.5 GB`. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a size is a number of bytes or text such as 256MiB")
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        factor = _BYTES.get(match[2].upper()) if match else None
        if match is None or factor is None:
            raise ValueError(f"{value!r} is no size; write it like 256MiB or 1.5GB")
        value = float(match[1]) * factor
    if value < 0:
        raise ValueError("a size cannot be negative")
    if value > 2**63 - 1:
        raise ValueError("a size beyond 2^63 bytes")
    return int(value)


def parse_duration(value: Any) -> float:
    """Seconds in *value*: a number of seconds, or text such as `90s`, `1h30m`, `250ms`. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a duration is a number of seconds or text such as 90s")
    if isinstance(value, str):
        parts = _DURATION.findall(value.replace(" ", ""))
        if not parts or "".join(a + b for a, b in parts) != value.replace(" ", ""):
            raise ValueError(f"{value!r} is no duration; write it like 90s, 5m or 1h30m")
        value = sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    if value < 0:
        raise ValueError("a duration cannot be negative")
    if value > 366 * 86400:
        raise ValueError("a duration beyond one year")
    return float(value)


SizeBytes = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[A-Za-z]*$"},
            ],
            "description": "bytes, or text such as 256MiB or 1.5GB",
        }
    ),
]
Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"},
            ],
            "description": "seconds, or text such as 90s or 1h30m",
        }
    ),
]
