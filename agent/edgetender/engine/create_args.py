"""What does the engine have to be told to make a container of this spec? Pure: same spec, same body.

The body is that of `POST /containers/create` (Engine API v1.41). Only typed fields of a spec reach it, and
HostConfig is built anew: a manifest cannot ask for privileges, host paths or host namespaces, because there
is no field that could carry the wish.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from edgetender.engine.injecting import injected, visible
from edgetender.engine.labels import DEVICE, labels_of, volume_name
from edgetender.engine.network import Place
from edgetender.model.manifest import DEFAULT_PIDS
from edgetender.model.target import ContainerSpec

_SECRETS = "/run/secrets"
_MESSAGES = "/run/edgetender"
_SCRATCH = "size=64m,mode=1777"  # Docker adds noexec, nosuid and nodev
# Two modules' logs fit on a small card: 30 MB each, then the oldest go.
_LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def create_body(
    spec: ContainerSpec,
    version: int,
    device: str,
    place: Place | None = None,
    secrets: Path | None = None,
    messages: Path | None = None,
) -> dict[str, Any]:
    """Return the JSON body. Restarting is the agent's business, so the engine's own policy is `no`.

    With a *place* it lives there, behind a front, and publishes nothing itself. *secrets* is the folder on this
    device with those it is shown, *messages* the socket it sends messages to; where these lie is the
    agent's word, never a manifest's.
    """
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in (*spec.env, *visible(spec))],
        "Labels": labels_of(spec, version, device),
        # only for the engine's own shutdown; the agent says its grace with each stop
        "StopTimeout": math.ceil(spec.stop_grace_s),
        "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in spec.ports},
        "HostConfig": _host_config(spec, device),
    }
    if place is not None:
        del body["HostConfig"]["PortBindings"]
        body["HostConfig"]["NetworkMode"] = place.network
        settings = {"IPAMConfig": {"IPv4Address": place.address}}
        body["NetworkingConfig"] = {"EndpointsConfig": {place.network: settings}}
    shown = ((secrets, _SECRETS), (messages.parent if messages is not None else None, _MESSAGES))
    for source, target in shown:
        if source is not None:
            mount = {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": True}
            body["HostConfig"]["Mounts"].append(mount)
    if messages is not None:
        body["Env"].append(f"EDGETENDER_MESSAGES={_MESSAGES}/{messages.name}")
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    return body


def _host_config(spec: ContainerSpec, device: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "RestartPolicy": {"Name": "no"},
        "LogConfig": _LOGS,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": spec.pids or DEFAULT_PIDS,
        "PortBindings": _port_bindings(spec),
        "Mounts": [
            {
                "Type": "volume",
                "Source": volume_name(mount.volume),
                "Target": mount.path,
                "ReadOnly": mount.read_only,
                "VolumeOptions": {"Labels": {DEVICE: device}},
            }
            for mount in spec.mounts
        ],
    }
    if spec.memory_bytes is not None:
        # equal means no swap on top: a model that outgrows its limit is killed, not paged to an SD card
        config |= {"Memory": spec.memory_bytes, "MemorySwap": spec.memory_bytes}
    if spec.cpus is not None:
        config["NanoCpus"] = round(spec.cpus * 1_000_000_000)
    if spec.capabilities:
        config["CapAdd"] = list(spec.capabilities)
    if spec.read_only:
        config |= {"ReadonlyRootfs": True, "Tmpfs": dict.fromkeys(("/tmp", "/run"), _SCRATCH)}  # noqa: S108
    return config | injected(spec.gpu, spec.injection)


def _port_bindings(spec: ContainerSpec) -> dict[str, list[dict[str, str]]]:
    """One container port may be published more than once."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        where = {"HostIp": port.address, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(where)
    return bindings
