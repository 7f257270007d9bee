"""What does a manifest look like to an editor or another program? Its JSON Schema, from the model itself."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from edgetender.model.manifest import SHORT_PORT, Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What validators of the model check and its types cannot say. What no schema can (an image reference's
# grammar, host ports taken twice, the least memory) is left to `edgetender validate`.
_ONE_SOURCE = [
    {"required": ["image"], "properties": {"image": {"type": "string"}, "variants": {"maxItems": 0}}},
    {"required": ["variants"], "properties": {"variants": {"minItems": 1}, "image": {"type": "null"}}},
]
_BOTH_PROBES = {
    "required": ["http", "docker"],
    "properties": {"http": {"type": "object"}, "docker": {"const": True}},
}
_EMPTY_ON_PURPOSE = [
    {"properties": {"modules": {"minProperties": 1}}},
    {"required": ["allow_empty"], "properties": {"allow_empty": {"const": True}}},
]


class _Untitled(GenerateJsonSchema):
    """Without a title per key: they repeat the key in capitals."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def manifest_schema() -> dict[str, Any]:
    """JSON Schema of `edgetender/v1`, for editors. The gate is `read_manifest`, which checks more."""
    schema = Manifest.model_json_schema(schema_generator=_Untitled)
    defs = schema["$defs"]
    defs["Module"]["oneOf"] = _ONE_SOURCE
    defs["Health"]["not"] = _BOTH_PROBES
    full = defs["Port"]
    short = {
        "type": "string",
        "pattern": f"^{SHORT_PORT}$",
        "description": "[address:]host:container[/protocol]",
    }
    defs["Port"] = {"description": full.pop("description"), "anyOf": [full, short]}
    card = defs["Accelerator"]
    vendor = {"type": "string", "description": "its vendor"}
    defs["Accelerator"] = {"description": card.pop("description"), "anyOf": [card, vendor]}
    schema["properties"]["modules"]["additionalProperties"] = False
    schema["anyOf"] = _EMPTY_ON_PURPOSE
    return {"$schema": DIALECT, "$id": "urn:edgetender:manifest:v1"} | schema
