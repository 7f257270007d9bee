"""By which mechanism do requests reach a module? Pure: what the manifest says, and what this device can."""

from __future__ import annotations

from edgetender.model.front import FACT, NONE, PROXY
from edgetender.model.hardware import Hardware
from edgetender.model.manifest import Module
from edgetender.model.updating import Update


def mechanism(module: Module, update: Update, hardware: Hardware, *, gpu: bool) -> str:
    """`proxy`, `nat`, or `none`: then its container publishes its ports itself, and an update stops it first."""
    if update.strategy == "recreate" or not module.ports or not hardware.value(FACT):
        return NONE
    if module.front != "auto":
        return module.front
    if _speaks_tls(module):
        return PROXY
    return PROXY if _speaks_http(module) and _can_run_twice(module, gpu=gpu) else NONE


def lacking(module: Module, hardware: Hardware) -> str | None:
    """Why the module's ports cannot be had here as it asks for them; None: they can."""
    if not _speaks_tls(module) or hardware.value(FACT):
        return None
    return "its TLS needs a front, and this device has no image for fronts; set front.archive on it"


def _speaks_tls(module: Module) -> bool:
    return any(port.tls is not None for port in module.ports)


def _speaks_http(module: Module) -> bool:
    """As far as its health check tells; whether another port does, nobody said."""
    probe = module.health.http
    return probe is not None and all(
        port.protocol == "tcp" and port.container == probe.port for port in module.ports
    )


def _can_run_twice(module: Module, *, gpu: bool) -> bool:
    """Not where two would write the same files, or share an accelerator's memory; a job runs once."""
    writes = any(not volume.read_only for volume in module.volumes)
    return not writes and not gpu and module.restart == "always"
