"""How is the engine asked for an accelerator? NVIDIA's by device request or runtime, others by their nodes. Pure."""

from __future__ import annotations

from typing import Any

from edgetender.model.target import ContainerSpec, Injection

_NVIDIA = "nvidia"
# what NVIDIA's runtime hands over is said by these; an image's own values would win if they were not given
_VISIBLE, _CAPABILITIES = "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"


def injected(gpu: bool, injection: Injection | None) -> dict[str, Any]:
    """The part of HostConfig that asks for it; *gpu* without more is any NVIDIA card."""
    if injection is None:
        return {"DeviceRequests": [_request(())]} if gpu else {}
    if injection.vendor != _NVIDIA:
        return _nodes(injection)
    if injection.runtime:
        return {"Runtime": injection.runtime}
    return {"DeviceRequests": [_request(injection.ids)]}


def visible(spec: ContainerSpec) -> tuple[tuple[str, str], ...]:
    """The environment by which NVIDIA's runtime is told which card; what the manifest says of it stays."""
    injection = spec.injection
    if injection is None or not injection.runtime:
        return ()
    written = dict(spec.env)
    wanted = {_VISIBLE: ",".join(injection.ids) or "all", _CAPABILITIES: "compute,utility"}
    return tuple((name, value) for name, value in wanted.items() if name not in written)


def _request(ids: tuple[str, ...]) -> dict[str, Any]:
    """As `docker run --gpus` sends it; an empty driver lets the engine choose by capability."""
    which: dict[str, Any] = {"DeviceIDs": list(ids)} if ids else {"Count": -1}
    return {"Driver": "", **which, "Capabilities": [["gpu"]]}


def _nodes(injection: Injection) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Devices": [
            {"PathOnHost": node, "PathInContainer": node, "CgroupPermissions": "rwm"}
            for node in injection.nodes
        ]
    }
    if injection.groups:
        config["GroupAdd"] = [str(group) for group in injection.groups]
    return config
