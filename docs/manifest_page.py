"""The manifest's reference page, from its schema."""  # noqa: INP001  beside a program, not in a package

from __future__ import annotations

import json
import re
from typing import Any

from markdown import flowing, page, table

from edgetender.model.schema import manifest_schema
from edgetender.model.units import duration_text

_PLAIN = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}


def manifest() -> str:
    schema = manifest_schema()
    sections = [section("Manifest", schema)]
    sections += [section(name, one) for name, one in _in_order(schema) if name != "JsonValue"]
    intro = (
        "Schema `edgetender/v1`, [as JSON Schema](../../deployment-manifests/schema/edgetender-v1.schema.json), "
        "[with examples](../../deployment-manifests/README.md). **Bold** keys must be given. "
        "A *duration* is a number of seconds or text such as `90s`, `5m`, `1h30m`; "
        "a *size* a number of bytes or text such as `256MiB`, `1.5GB`."
    )
    return page("The manifest", "agent/edgetender/model/manifest.py", intro, *sections)


def _in_order(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    """Definitions in the order a reader of the manifest meets them."""
    order: list[str] = []

    def meet(one: Any) -> None:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(one)):
            if name not in order:
                order.append(name)
                meet(schema["$defs"][name])

    meet(schema["properties"])
    return [(name, schema["$defs"][name]) for name in order]


def section(name: str, one: dict[str, Any]) -> str:
    full = one if "properties" in one else next(each for each in one["anyOf"] if "properties" in each)
    short = next((each for each in one.get("anyOf", []) if each.get("type") == "string"), None)
    said = [f"## {name}", flowing(one.get("description", ""))]
    if short:
        said.append(f"Short form, as text: `{short['description']}`.")
    required = full.get("required", [])
    rows = [
        (
            f"**`{key}`**" if key in required else f"`{key}`",
            _kind(item),
            _default(item) if key not in required else "",
            item.get("description", ""),
        )
        for key, item in full["properties"].items()
    ]
    return "\n\n".join([*filter(None, said), table(("key", "value", "default", "meaning"), rows)])


def _kind(item: dict[str, Any]) -> str:
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        if name == "JsonValue":
            return "any JSON"
        return f"[{name}](#{name.lower()})"
    if "anyOf" in item:
        texts = [one.get("pattern", "") for one in item["anyOf"]]
        if any("ms|s|m|h|d" in text for text in texts):
            return "duration"
        if any(r"\s*[A-Za-z]*" in text for text in texts):
            return "size"
        return _kind(next(one for one in item["anyOf"] if one.get("type") != "null"))
    if "const" in item or "enum" in item:
        return ", ".join(f"`{one}`" for one in item.get("enum", [item.get("const")]))
    if item["type"] in {"array", "object"}:
        inside = next(iter(item.get("patternProperties", {}).values()), item.get("additionalProperties"))
        return f"list of {_kind(item['items'])}" if item["type"] == "array" else f"name → {_kind(inside)}"
    if item.get("pattern", "").startswith("^[a-z0-9]("):
        return "name"
    return _PLAIN[item["type"]] + _bounds(item)


def _bounds(item: dict[str, Any]) -> str:
    least, most = item.get("minimum"), item.get("maximum")
    if "exclusiveMinimum" in item:
        return f" above {item['exclusiveMinimum']}, {most} at most"
    return f", {least} to {most}" if most is not None and most < 2**31 else f" from {least}" if least else ""


def _default(item: dict[str, Any]) -> str:
    value = item.get("default")
    if value in (None, [], {}, ""):
        return ""
    return duration_text(value) if _kind(item) == "duration" else f"`{json.dumps(value)}`"
