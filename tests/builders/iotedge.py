"""Deployments of Azure IoT Edge, as its tools write them."""

from __future__ import annotations

import json
from typing import Any

OPTIONS = {
    "Env": ["LOG=debug", "MODE=fast"],
    "ExposedPorts": {"5001/tcp": {}},
    "HostConfig": {
        "PortBindings": {
            "5001/tcp": [{"HostPort": "6789"}],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
        },
        "Binds": ["models:/models:ro"],
        "Memory": 268435456,
        "NanoCpus": 1500000000,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    },
}


def edge_module(image: str = "registry.example/models/fraud:1.4.0", **changes: Any) -> dict[str, Any]:
    """One module; *options* are its create options, as a document or as the text they travel as."""
    options = changes.pop("options", "{}")
    text = options if isinstance(options, str) else json.dumps(options)
    module: dict[str, Any] = {
        "version": "1.0",
        "type": "docker",
        "status": "running",
        "restartPolicy": "always",
        "settings": {"image": image, "createOptions": text},
    }
    return {key: value for key, value in (module | changes).items() if value is not None}


def edge_agent(*, schema: str = "1.1", **modules: Any) -> dict[str, Any]:
    """`$edgeAgent`'s desired properties."""
    return {
        "schemaVersion": schema,
        "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
        "systemModules": {
            "edgeAgent": {"type": "docker"},
            "edgeHub": {"type": "docker", "status": "running"},
        },
        "modules": modules,
    }


def edge_deployment(*, schema: str = "1.1", **modules: Any) -> dict[str, Any]:
    """The file that `az iot edge set-modules` takes."""
    return {"modulesContent": {"$edgeAgent": {"properties.desired": edge_agent(schema=schema, **modules)}}}


def layer(**modules: Any) -> dict[str, Any]:
    """A layered deployment that adds or replaces modules."""
    flat = {f"properties.desired.modules.{name}": module for name, module in modules.items()}
    return {"content": {"modulesContent": {"$edgeAgent": flat}}}
