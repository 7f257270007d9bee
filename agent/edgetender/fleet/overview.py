"""How is the fleet, worst first? One document for the command line, the page and scripts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgetender.clock import rfc3339
from edgetender.fleet.devices import Seen
from edgetender.model.topics import DesiredCode

_RANKS = {"offline": 0, "engine down": 1, "degraded": 2, "waiting": 3, "unknown": 4, "healthy": 5}


def overview(devices: Mapping[str, Seen], *, connected: bool) -> dict[str, Any]:
    """Each device as it said it is, in the order in which people should look at them, and how many are how.

    A device that is offline is told as that, whatever it said before; one of which only half is known yet, `unknown`.
    """
    rows = [_row(name, seen) for name, seen in devices.items()]
    rows.sort(key=lambda row: (_RANKS[row["health"]], row["trouble"] == "", row["name"]))
    return {
        "apiVersion": "edgetender/v1",
        "kind": "Fleet",
        "brokerConnected": connected,
        "devices": rows,
        "health": _counts(row["health"] for row in rows),
        "versions": _counts(_version(row) for row in rows),
        "agents": _counts(row["agent"] or "unknown" for row in rows),
    }


def _row(name: str, seen: Seen) -> dict[str, Any]:
    reported = seen.reported
    health = str(reported.get("health", "unknown"))
    desired = _object(reported.get("lastDesiredStatus"))
    return {
        "name": name,
        "health": "offline"
        if seen.status.get("state") == "offline"
        else health
        if health in _RANKS
        else "unknown",
        "agent": _text(reported.get("agent")),
        "version": _object(reported.get("accepted")).get("version"),
        "desiredVersion": reported.get("lastDesiredVersion"),
        "desiredCode": desired.get("code"),
        "modules": _modules(reported),
        "trouble": _trouble(reported, desired),
        "since": _text(seen.status.get("ts")) or None,
        "heardAt": rfc3339(seen.heard_at) if seen.heard_at else None,
    }


def _modules(reported: Mapping[str, Any]) -> dict[str, str]:
    said = _object(reported.get("modules"))
    return {str(name): _text(_object(one).get("state")) or "unknown" for name, one in said.items()}


def _trouble(reported: Mapping[str, Any], desired: Mapping[str, Any]) -> str:
    """The first thing that is not as it should be, in the device's own words."""
    down = _text(_object(reported.get("engine")).get("down"))
    if down:
        return f"engine: {down}"
    if desired and desired.get("code") not in (DesiredCode.RUNNING, DesiredCode.APPLYING):
        return f"version {reported.get('lastDesiredVersion')}: {_text(desired.get('description'))}"
    for name, one in _object(reported.get("modules")).items():
        if why := _text(_object(one).get("why")):
            return f"{name}: {why}"
    return ""


def _version(row: Mapping[str, Any]) -> str:
    return "none" if row["version"] is None else str(row["version"])


def _counts(words: Any) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
