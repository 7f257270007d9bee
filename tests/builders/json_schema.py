"""As much of JSON Schema as the manifest's needs, so that no dependency is added for one test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_SILENT = {"$schema", "$id", "$defs", "title", "description", "default"}
_KNOWN = _SILENT | {
    *("$ref", "type", "const", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum"),
    *("minLength", "maxLength"),
    *(
        "properties",
        "required",
        "patternProperties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
    ),
    *("items", "minItems", "maxItems", "anyOf", "oneOf", "not"),
}


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with *value*, each with its place. A keyword that is not understood here is an error."""
    return list(_faults(schema, value, "", schema["$defs"]))


def _faults(schema: dict[str, Any], value: Any, at: str, defs: dict[str, Any]) -> Iterator[str]:
    assert set(schema) <= _KNOWN, f"teach this reader {set(schema) - _KNOWN}"
    if "$ref" in schema:
        yield from _faults(defs[schema["$ref"].removeprefix("#/$defs/")], value, at, defs)
    if "type" in schema and not _is(schema["type"], value):
        yield f"{at}: no {schema['type']}"
        return
    yield from _scalar(schema, value, at)
    if isinstance(value, dict):
        yield from _object(schema, value, at, defs)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
        for index, item in enumerate(value):
            yield from _faults(schema.get("items", {}), item, f"{at}[{index}]", defs)
    for word, wanted in (("anyOf", range(1, 100)), ("oneOf", (1,))):
        if word in schema:
            tried = [list(_faults(one, value, at, defs)) for one in schema[word]]
            if sum(not one for one in tried) not in wanted:
                yield f"{at}: {word} {tried}"
    if "not" in schema and not list(_faults(schema["not"], value, at, defs)):
        yield f"{at}: what must not be"


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _scalar(schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
        yield f"{at}: not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: none of {schema['enum']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: {value!r} is not like {schema['pattern']}"
    if isinstance(value, str) and not (
        schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    ):
        yield f"{at}: {len(value)} characters"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{at}: {value} is out of range"
        if value <= schema.get("exclusiveMinimum", value - 1):
            yield f"{at}: {value} is out of range"


def _object(schema: dict[str, Any], value: dict[str, Any], at: str, defs: dict[str, Any]) -> Iterator[str]:
    yield from (f"{at}: {name!r} is missing" for name in schema.get("required", ()) if name not in value)
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        yield f"{at}: {len(value)} keys"
    for name, item in value.items():
        here = f"{at}.{name}"
        fitting = [
            one for pattern, one in schema.get("patternProperties", {}).items() if re.search(pattern, name)
        ]
        if name in schema.get("properties", {}):
            fitting.append(schema["properties"][name])
        rest = schema.get("additionalProperties", True)
        if not fitting and rest is False:
            yield f"{here}: unknown key"
        elif not fitting and isinstance(rest, dict):
            fitting.append(rest)
        for one in fitting:
            yield from _faults(one, item, here, defs)
