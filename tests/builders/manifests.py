"""Manifests in one line each: only the fact that matters is named."""

from __future__ import annotations

import json
from typing import Any

from edgetender.codec import canonical, sha256_hex
from edgetender.model.ledger import Delivery, Slot
from tests.fakes.clock import NOON

DIGEST = "sha256:" + "a" * 64
SCORER = f"registry.example/scorer@{DIGEST}"


def image(name: str, digit: str = "a") -> str:
    """A reference by digest: `registry.example/<name>@sha256:aaa…`."""
    return f"registry.example/{name}@sha256:{digit * 64}"


def module(**more: Any) -> dict[str, Any]:
    return {"image": SCORER} | more


def manifest(version: int = 1, /, **modules: dict[str, Any]) -> dict[str, Any]:
    """A manifest with these modules, by default one scorer."""
    return {
        "schema": "edgetender/v1",
        "deployment": "line3",
        "version": version,
        "modules": modules or {"scorer": module()},
    }


def body(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def delivery(document: Any, *, number: int = 1, kind: str = "manifest") -> Delivery:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Delivery(number, kind, "mqtt", raw, NOON)


def slot(document: dict[str, Any]) -> Slot:
    text = canonical(document)
    return Slot(document["deployment"], document["version"], sha256_hex(text), text.decode(), "mqtt", NOON)
