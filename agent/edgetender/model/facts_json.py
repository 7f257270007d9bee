"""How facts are written into documents and read back: by the API, by `facts export`, by a replay of a field report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edgetender.clock import rfc3339
from edgetender.model.hardware import Fact, Hardware, Layer


def plain(fact: Fact) -> dict[str, Any]:
    """The JSON object of *fact*; what it does not say is left out, but for what every fact has."""
    found: dict[str, Any] = {
        "name": fact.name,
        "value": list(fact.value) if isinstance(fact.value, tuple) else fact.value,
        "source": fact.source,
        "detail": fact.detail,
    }
    if fact.device:
        found["device"] = fact.device
    if fact.layer is not None:
        found["layer"] = fact.layer.value
    if fact.code:
        found["code"] = fact.code
    if fact.low:
        found["confidence"] = "low"
    if fact.observed_at is not None:
        found["observedAt"] = rfc3339(fact.observed_at)
    return found


def hardware_of(facts: Any) -> Hardware:
    """Read the list that `plain` wrote. Raises ValueError for what is none."""
    if not isinstance(facts, list):
        raise ValueError("its facts are no list")
    return Hardware(tuple(_fact(each) for each in facts))


def _fact(found: Any) -> Fact:
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str):
        raise ValueError("a fact has no name")
    value, layer, moment = found.get("value"), found.get("layer"), found.get("observedAt")
    if isinstance(value, list):
        value = tuple(str(each) for each in value)
    if not isinstance(value, str | int | float | bool | tuple | None):
        raise ValueError(f"the fact {found['name']} has no plain value")
    return Fact(
        name=found["name"],
        value=value,
        source=str(found.get("source", "")),
        detail=str(found.get("detail", "")),
        device=str(found.get("device", "")),
        layer=Layer(layer) if layer else None,
        code=str(found.get("code", "")),
        low=found.get("confidence") == "low",
        observed_at=datetime.fromisoformat(moment) if moment else None,
    )
