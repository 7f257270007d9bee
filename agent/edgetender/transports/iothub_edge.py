"""A report in the shape of IoT Edge's agent, so that queries and deployment metrics of its users go on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgetender.model.topics import DesiredCode
from edgetender.transports.iothub_twin import compact

# ours: what it is there; 417 means there that the deployment was empty
_CODES: dict[int, int] = {DesiredCode.CONFLICT: 500, DesiredCode.ROLLED_BACK: 500}
_STATES = {
    "running": "running", "starting": "running", "unhealthy": "unhealthy", "backoff": "backoff",
    "pulling": "unknown", "waiting": "unknown", "blocked": "failed", "stopped": "stopped",
}  # fmt: skip


def edge_shape(report: Mapping[str, Any]) -> dict[str, Any]:
    """*report* as `$edgeAgent` would write it: no create options, no credentials, no environment."""
    status = report.get("lastDesiredStatus")
    shaped: dict[str, Any] = {
        "schemaVersion": "1.0",
        "version": {"version": f"edgetender {report.get('agent', '')}".strip()},
        "lastDesiredVersion": report.get("lastDesiredVersion"),
        "runtime": {"type": "docker"},
        "systemModules": {"edgeAgent": {"type": "docker", "runtimeStatus": "running"}},
        "modules": {name: _module(module) for name, module in (report.get("modules") or {}).items()},
    }
    if isinstance(status, Mapping):
        code = status.get("code")
        shaped["lastDesiredStatus"] = {
            "code": _CODES.get(code, code) if isinstance(code, int) else code,
            "description": status.get("description", ""),
        }
    return compact(shaped)


def _module(module: Mapping[str, Any]) -> dict[str, Any]:
    died = module.get("lastExit") or {}
    name, _, digest = str(module.get("image", "")).partition("@")
    state = str(module.get("state", ""))
    return {
        "type": "docker",
        "status": "stopped" if state == "stopped" else "running",
        "runtimeStatus": _STATES.get(state, "unknown"),
        "statusDescription": module.get("why") or state,
        "restartCount": module.get("restarts", 0),
        "exitCode": died.get("code"),
        "lastStartTimeUtc": module.get("since"),
        "lastExitTimeUtc": died.get("at"),
        "settings": {"image": name, "imageHash": digest or None},
    }
