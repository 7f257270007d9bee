"""What does the original's deployment configuration ask of a device? Its JSON keys, as a manifest's module has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgetender.errors import ConfigInvalid, Problem
from edgetender.model.manifest import ENV_NAME, SHORT_PORT

SCORING_PORT = 5001
HOST_PORT = 6789
_READY = "/v2/health/ready"
_HERE = ("local", "iot")
# Of a cluster, or of Azure's own services: known, and of no effect here.
_ELSEWHERE = frozenset(
    {
        "autoScaler", "numReplicas", "maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "namespace",
        "location", "dnsNameLabel", "sslCname", "sslCertPemFile", "sslKeyPemFile", "primaryKey", "secondaryKey",
        "keys", "tokenAuthEnabled", "gpuCores", "gpu", "description", "tags", "properties", "vnetName", "subnetName",
    }
)  # fmt: skip
# What a service would do without, and nobody would notice: refused while it is asked for.
_NEEDS_FILES = {
    "authEnabled": "bearer keys are a file on the device: EDGETENDER_SCORING_KEYS_FILE in environmentVariables",
    "sslEnabled": "certificate and key are files on the device: EDGETENDER_SCORING_TLS_CERT and _TLS_KEY",
}


@dataclass(slots=True)
class DeploymentConfig:
    """What was asked for, ready for the manifest; *warnings* name what has no effect."""

    port: str = f"{HOST_PORT}:{SCORING_PORT}"
    resources: dict[str, Any] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    def module(self) -> dict[str, Any]:
        """The module's keys, all but its image."""
        parts = {"env": self.env, "resources": self.resources}
        return {
            "ports": [self.port],
            "health": {"http": {"port": SCORING_PORT, "path": _READY}, **self.health},
            **{key: dict(value) for key, value in parts.items() if value},
        }


def read(path: Path) -> DeploymentConfig:
    """Read the JSON file. Raises ConfigInvalid with every fault, each with its key."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigInvalid((Problem("--dc", "file.unreadable", f"{path}: {error}"),)) from error
    if not isinstance(content, dict):
        raise ConfigInvalid((Problem("--dc", "value.type", f"{path} holds no JSON object"),))
    config, problems, warnings = DeploymentConfig(), list[Problem](), list[Problem]()
    for key, value in content.items():
        if value is None:
            continue
        if key in _KEYS:
            _KEYS[key](config, value, problems, warnings)
        elif key in _NEEDS_FILES and value is not False:
            problems.append(Problem(key, "value.unsupported", _NEEDS_FILES[key]))
        elif key not in _NEEDS_FILES:
            text = "has no effect on a device" if key in _ELSEWHERE else "is no known key"
            warnings.append(Problem(key, "key.unused" if key in _ELSEWHERE else "key.unknown", text))
    if problems:
        raise ConfigInvalid(tuple(problems))
    config.warnings = tuple(warnings)
    return config


_Reader = Callable[[DeploymentConfig, Any, list[Problem], list[Problem]], None]


def _compute_type(_: DeploymentConfig, value: Any, problems: list[Problem], warnings: list[Problem]) -> None:
    if not isinstance(value, str):
        problems.append(Problem("computeType", "value.type", "expects text: local or iot"))
    elif value.lower() not in _HERE:
        text = f"{value!r} is not here: the service goes to a device, as with {' or '.join(_HERE)}"
        warnings.append(Problem("computeType", "value.unused", text))


def _port(config: DeploymentConfig, value: Any, problems: list[Problem], _: list[Problem]) -> None:
    """The device's port, as in the original; or a mapping as a manifest has it, which names the address too."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:  # noqa: PLR2004
        config.port = f"{value}:{SCORING_PORT}"
    elif isinstance(value, str) and re.fullmatch(SHORT_PORT, value):
        config.port = value
    else:
        text = f"{value!r}; write a port from 1 to 65535, or like 0.0.0.0:{HOST_PORT}:{SCORING_PORT}"
        problems.append(Problem("port", "port.invalid", text))


def _requirements(
    config: DeploymentConfig, value: Any, problems: list[Problem], warnings: list[Problem]
) -> None:
    names = {"cpu": "cpus", "memoryInGB": "memory"}
    for key, amount in _numbers("containerResourceRequirements", value, names, problems, warnings).items():
        config.resources[names[key]] = int(amount * 1000**3) if key == "memoryInGB" else amount


def _probe(config: DeploymentConfig, value: Any, problems: list[Problem], warnings: list[Problem]) -> None:
    names = {"periodSeconds": "interval", "timeoutSeconds": "timeout", "failureThreshold": "failures"}
    for key, amount in _numbers("livenessProbeRequirements", value, names, problems, warnings).items():
        config.health[names[key]] = amount


def _numbers(
    at: str, value: Any, names: dict[str, str], problems: list[Problem], warnings: list[Problem]
) -> dict[str, float]:
    if not isinstance(value, dict):
        problems.append(Problem(at, "value.type", "expects an object"))
        return {}
    found = {}
    for key, amount in value.items():
        if key not in names:
            warnings.append(Problem(f"{at}.{key}", "key.unused", "has no effect on a device"))
        elif isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
            problems.append(Problem(f"{at}.{key}", "value.type", f"{amount!r} is no number above 0"))
        else:
            found[key] = amount
    return found


def _timeout(config: DeploymentConfig, value: Any, problems: list[Problem], _: list[Problem]) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        problems.append(Problem("scoringTimeoutMs", "value.type", f"{value!r} is no number of milliseconds"))
    else:
        config.env["SCORING_TIMEOUT_MS"] = str(value)


def _collection(
    config: DeploymentConfig, value: Any, problems: list[Problem], warnings: list[Problem]
) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("storageEnabled", False), bool):
        problems.append(Problem("dataCollection", "value.type", "expects {storageEnabled: true or false}"))
        return
    if value.get("storageEnabled"):
        config.env["AML_MDC_STORAGE_ENABLED"] = "true"
    warnings += [
        Problem(f"dataCollection.{key}", "key.unused", "has no effect on a device")
        for key in value
        if key != "storageEnabled"
    ]


def _insights(_: DeploymentConfig, value: Any, problems: list[Problem], warnings: list[Problem]) -> None:
    if not isinstance(value, bool):
        problems.append(Problem("appInsightsEnabled", "value.type", "expects true or false"))
    elif value:
        text = "sends nothing to Application Insights; GET /metrics tells it to Prometheus, always"
        warnings.append(Problem("appInsightsEnabled", "key.unused", text))


def _environment(config: DeploymentConfig, value: Any, problems: list[Problem], _: list[Problem]) -> None:
    if not isinstance(value, dict):
        problems.append(Problem("environmentVariables", "value.type", "expects an object"))
        return
    for name, text in value.items():
        if not ENV_NAME.fullmatch(name) or not isinstance(text, str):
            problems.append(Problem(f"environmentVariables.{name}", "value.type", "expects a name and text"))
        else:
            config.env[name] = text


_KEYS: dict[str, _Reader] = {
    "computeType": _compute_type,
    "port": _port,
    "containerResourceRequirements": _requirements,
    "livenessProbeRequirements": _probe,
    "scoringTimeoutMs": _timeout,
    "dataCollection": _collection,
    "appInsightsEnabled": _insights,
    "environmentVariables": _environment,  # not in the original
}
