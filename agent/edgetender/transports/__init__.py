"""Which transports are there? Each is named by a string and imported only when it is configured."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgetender.errors import NotFound

TRANSPORTS = {
    "mqtt": "edgetender.transports.mqtt:MqttTransport",
    "iothub": "edgetender.transports.iothub:IotHubTransport",
    "folder": "edgetender.transports.folder:FolderTransport",
}


def load(kind: str) -> Any:
    """Return the class *kind* names: call it with its settings and the device's name. Raises NotFound."""
    if kind not in TRANSPORTS:
        raise NotFound(
            f"cannot load transport {kind!r}: there is none; known: {', '.join(sorted(TRANSPORTS))}"
        )
    module, _, name = TRANSPORTS[kind].partition(":")
    return getattr(import_module(module), name)
