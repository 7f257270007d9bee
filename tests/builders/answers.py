"""The API's documents in one line each: only the fact that matters is named."""

from __future__ import annotations

from typing import Any


def module(name: str = "scorer", **more: Any) -> dict[str, Any]:
    """A module of the status document: running for two hours, and well."""
    return {
        "name": name,
        "state": "running",
        "variant": "cpu",
        "version": 14,
        "image": f"registry.example/{name}@sha256:{'a' * 64}",
        "ready": True,
        "restarts": 0,
        "since": "2026-11-24T10:00:00.000Z",
        "cpu": 0.41,
        "memoryBytes": 612 * 1024**2,
        "why": "",
        "code": "",
        "pull": None,
        "ports": ["127.0.0.1:5001->5001/tcp"],
        "lastExit": None,
    } | more


def status(*modules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A status document: version 14 of line3, healthy and online."""
    return {
        "apiVersion": "edgetender/v1",
        "kind": "Status",
        "device": "line3-cam7",
        "agent": "0.1.0",
        "uptimeSeconds": 532_800,
        "health": "healthy",
        "upstream": {
            "endpoint": "mqtts://hub.example:8883",
            "connected": True,
            "since": "2026-11-24T08:00:00.000Z",
            "detail": "",
            "roundTripSeconds": 0.038,
            "queued": 0,
            "dropped": 0,
        },
        "deployment": "line3",
        "version": 14,
        "epoch": 0,
        "candidate": None,
        "candidateEpoch": None,
        "lastDesiredVersion": 14,
        "lastDesiredStatus": verdict(200, "running"),
        "holds": [],
        "waits": {},
        "modules": list(modules),
        "engine": {"down": None},
        "notes": [],
    } | more


def verdict(code: int, description: str, *problems: tuple[str, str, str]) -> dict[str, Any]:
    """What became of the newest manifest."""
    told = [{"path": path, "code": name, "message": message} for path, name, message in problems]
    return {"code": code, "description": description, "problems": told}


def change(name: str, what: str, **more: Any) -> dict[str, Any]:
    """A module of the plan document."""
    return {"name": name, "change": what, "variant": None, "why": "", "details": [], "rollout": ""} | more


def pull(
    name: str,
    image: str,
    mib: int | None = None,
    of: int | None = None,
    layers: tuple[int, int] = (0, 0),
    why: str = "",
) -> dict[str, Any]:
    """An image that the plan would fetch; *layers* are those that are here, and all."""
    sizes = {"bytes": mib and mib * 1024**2, "totalBytes": of and of * 1024**2}
    return {
        "module": name,
        "image": image,
        **sizes,
        "layersCached": layers[0],
        "layers": layers[1],
        "why": why,
    }


def detail(what: str, before: str | None, after: str | None) -> dict[str, Any]:
    return {"what": what, "from": before, "to": after}


def plan(*modules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan document: version 15 of line3 against the running 14."""
    return {
        "apiVersion": "edgetender/v1",
        "kind": "Plan",
        "deployment": "line3",
        "version": 15,
        "runningVersion": 14,
        "modules": list(modules),
        "pulls": [],
        "disk": None,
        "notes": [],
    } | more
