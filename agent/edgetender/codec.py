"""Bytes to values and back, strictly: hostile JSON is refused with a place, canonical JSON has one spelling.

`decode` reads what arrives from outside (a broker, a file, a socket). It refuses what Python's json would
let through: duplicate keys (the two readers of a document may pick different ones), NaN and infinities,
nesting beyond MAX_DEPTH, more than MAX_BYTES, text that is not UTF-8, lone surrogates.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from edgetender.errors import ManifestInvalid, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
_MAX_DIGITS = 4300  # Python's own bound on int(str); beyond it int() raises
_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse(code: str, message: str, path: str = "") -> NoReturn:
    raise ManifestInvalid((Problem(path, code, message),))


def decode(body: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the JSON value in *body*. Raises ManifestInvalid naming the place; costs at most O(len(body))."""
    if len(body) > max_bytes:
        _refuse("json.oversized", f"{len(body)} bytes; at most {max_bytes} are read")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse("json.encoding", f"not UTF-8: byte 0x{body[error.start]:02x} at offset {error.start}")
    if text.startswith("\ufeff"):
        _refuse("json.encoding", "begins with a byte order mark; send plain UTF-8")
    _check_depth(text)
    duplicates: list[str] = []
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _object(pairs, duplicates),
            parse_constant=lambda name: _refuse("json.number", f"{name} is no JSON number"),
            parse_int=_int,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        _refuse("json.malformed", f"{error.msg} at line {error.lineno} column {error.colno}")
    except (
        RecursionError
    ):  # the depth check makes this unreachable; a refusal is better than a crash all the same
        _refuse("json.depth", f"nested deeper than {MAX_DEPTH}")
    if _SURROGATE.search(text) or _has_surrogate(value):
        _refuse("json.encoding", "holds a lone surrogate; that is no Unicode text")
    if duplicates:
        raise ManifestInvalid(
            tuple(Problem(key, "json.duplicate_key", f"key {key!r} is given twice") for key in duplicates)
        )
    return value


def _check_depth(text: str) -> None:
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                _refuse("json.depth", f"nested deeper than {MAX_DEPTH}")
        elif char in "]}":
            depth -= 1


def _object(pairs: Iterable[tuple[str, Any]], duplicates: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            duplicates.append(key)
        out[key] = value
    return out


def _int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _refuse("json.number", f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        _refuse("json.number", f"{digits[:32]} is out of range")
    return value


def _has_surrogate(value: Any) -> bool:
    match value:
        case str():
            return _SURROGATE.search(value) is not None
        case dict():
            return any(_has_surrogate(key) or _has_surrogate(item) for key, item in value.items())
        case list():
            return any(_has_surrogate(item) for item in value)
        case _:
            return False


def canonical(value: Any) -> bytes:
    """The one spelling of *value* as JSON: sorted keys, no spaces, UTF-8. What digests are taken of."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_hex(body: bytes) -> str:
    """Lower-case hex of the SHA-256 of *body*."""
    return hashlib.sha256(body).hexdigest()
