"""How is the service described? Swagger 2.0, OpenAPI 3.0.3 and 3.1.0; files the user wrote win."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender_scoring.message import to_json

log = logging.getLogger("edgetender_scoring")

Schema = dict[str, Any]

_ALL = ("2.0", "3.0", "3.1")
_ANYTHING: Schema = {"type": "object", "example": {}}
_VERSIONS = {"2": ("2", "2.0"), "3": ("3", "3.0"), "3.1": ("3.1",)}
_FILES = {"2": ("swagger.json", "swagger2.json"), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
_OPENAPI = {"3": "3.0.3", "3.1": "3.1.0"}


@dataclass(frozen=True, slots=True)
class Service:
    """What the service is called, and what it takes and gives; *versions* its types can be described in."""

    name: str
    version: str
    prefix: str
    takes: Schema
    gives: Schema
    versions: tuple[str, ...] = _ALL


def schemas(run: Callable[..., Any]) -> tuple[Schema, Schema, tuple[str, ...]]:
    """What inference-schema knows of *run*: input, output, versions of Swagger that can say it."""
    known = sys.modules.get("inference_schema.schema_util")
    if known is None or not known.is_schema_decorated(run):
        return _ANYTHING, _ANYTHING, _ALL
    return known.get_input_schema(run), known.get_output_schema(run), tuple(known.get_supported_versions(run))


class Swagger:
    """The descriptions, made once. *root* is where the user's own may lie."""

    def __init__(self, service: Service, root: Path) -> None:
        self._documents: dict[str, bytes] = {}
        supported = []
        for version, aliases in _VERSIONS.items():
            document = _own(root, version)
            if document is None and any(alias in service.versions for alias in aliases):
                document = _describe(service, version)
            if document is not None:
                supported.append(version)
                self._documents |= dict.fromkeys(aliases, to_json(document))
        self._supported = ", ".join(supported)

    def document(self, version: str) -> tuple[bytes | None, str]:
        """Return the description in that version; None and the reason where there is none."""
        if version in self._documents:
            return self._documents[version], ""
        if any(version in aliases for aliases in _VERSIONS.values()):
            why = f"Swagger version [{version}] is not supported for the scoring script."
            return None, f"{why} Supported swagger versions: [{self._supported}]."
        return None, f"Swagger version [{version}] is not valid. Supported versions: [{self._supported}]."


def _own(root: Path, version: str) -> Any:
    for name in _FILES[version]:
        path = root / name
        if path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:  # a broken description is no reason not to score
                log.warning("%s: %s; a description is made instead", path, error)
    return None


def _describe(service: Service, version: str) -> Schema:
    info = {
        "title": service.name,
        "description": f"API specification for the Azure Machine Learning service {service.name}",
        "version": service.version,
    }
    bearer = {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "For example: Bearer abc123",
    }
    shapes = {
        "ServiceInput": service.takes,
        "ServiceOutput": service.gives,
        "ErrorResponse": {"type": "object", "properties": {"message": {"type": "string"}}},
    }
    if version == "2":
        return {
            "swagger": "2.0",
            "info": info,
            "schemes": ["https"],
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "securityDefinitions": {"Bearer": bearer},
            "paths": _paths(service.prefix, _Two()),
            "definitions": shapes,
        }
    return {
        "openapi": _OPENAPI[version],
        "info": info,
        "security": [{"Bearer": []}],
        "paths": _paths(service.prefix, _Three()),
        "components": {"schemas": shapes, "securitySchemes": {"Bearer": bearer}},
    }


class _Two:
    """How version 2 says things."""

    def answer(self, text: str, schema: Schema, kind: str, example: Any = None) -> Schema:
        said: Schema = {"description": text, "schema": schema}
        return said if example is None else {**said, "examples": {kind: example}}

    def ref(self, name: str) -> Schema:
        return {"$ref": f"#/definitions/{name}"}

    def body(self, text: str, schema: Schema) -> Schema:
        place = {"name": "serviceInputPayload", "in": "body", "description": text, "schema": schema}
        return {"parameters": [place]}

    def choice(self) -> Schema:
        return {"type": "integer", "enum": [2, 3]}


class _Three:
    """How version 3 says things."""

    def answer(self, text: str, schema: Schema, kind: str, example: Any = None) -> Schema:
        shown = schema if example is None else {**schema, "example": example}
        return {"description": text, "content": {kind: {"schema": shown}}}

    def ref(self, name: str) -> Schema:
        return {"$ref": f"#/components/schemas/{name}"}

    def body(self, text: str, schema: Schema) -> Schema:
        return {"requestBody": {"description": text, "content": {"application/json": {"schema": schema}}}}

    def choice(self) -> Schema:
        return {"schema": {"type": "integer", "enum": [2, 3]}}


def _paths(prefix: str, say: _Two | _Three) -> Schema:
    at = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
    text = "text/plain" if isinstance(say, _Three) else "application/json"
    failed = say.answer(
        "The service failed to execute due to an error.", say.ref("ErrorResponse"), "application/json"
    )

    def get(name: str, what: str, answer: Schema, **more: Any) -> Schema:
        responses = {"200": answer, "default": failed}
        return {"get": {"operationId": name, "description": what, **more, "responses": responses}}

    healthy = "If service is up and running, this response will be returned with the content 'Healthy'"
    scored = "The service processed the input correctly and provided a result prediction, if applicable."
    score = {
        "operationId": "RunMLService",
        "description": "Run web service's model and get the prediction output",
        "security": [{"Bearer": []}],
        **say.body(
            "The input payload for executing the real-time machine learning service.", say.ref("ServiceInput")
        ),
        "responses": {
            "200": say.answer(scored, say.ref("ServiceOutput"), "application/json"),
            "default": failed,
        },
    }
    return {
        f"{at}/": get(
            "ServiceHealthCheck",
            "Simple health check endpoint to ensure the service is up at any given point.",
            say.answer(healthy, {"type": "string"}, text, "Healthy"),
        ),
        f"{at}/score": {"post": score},
        f"{at}/swagger.json": get(
            "GetSwaggerSpec",
            "Get the Swagger specification.",
            say.answer("The Swagger specification.", {"type": "string"}, text),
            parameters=[{"name": "version", "in": "query", "required": False, **say.choice()}],
        ),
    }
