"""Who hears what all devices of an IoT Hub say? Their twins are asked for, again and again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from edgetender.errors import LinkDown
from edgetender.fleet.devices import Fleet
from edgetender.fleet.hub_service import HubService
from edgetender.transports.publication import root_topic

_EVERY_S = 30.0  # a hub allows few queries a minute, whatever the size of its fleet
_NEVER = "0001-"


class Poller:
    """Keeps *fleet* as the twins say, within a `with` block. What goes wrong is given to *say*, from its thread."""

    def __init__(
        self, hub: HubService, fleet: Fleet, say: Callable[[str], None], *, every_s: float = _EVERY_S
    ) -> None:
        self._hub, self._fleet, self._say, self._every_s = hub, fleet, say, every_s
        self._stopping = threading.Event()
        self._known: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()  # a question under way ends with the process

    @property
    def works(self) -> bool:
        """False once it ended by a fault of its own."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._fleet.connected = True
            except LinkDown as error:
                self._fleet.connected = False
                self._say(str(error))
            self._stopping.wait(self._every_s)

    def _look(self) -> None:
        found = {name: words for twin in self._hub.twins() for name, words in words_of(twin).items()}
        for name in self._known - found.keys():
            self._take(name, {"status": None, "reported": None})
        for name, words in found.items():
            self._take(name, words)
        self._known = set(found)

    def _take(self, name: str, words: Mapping[str, Any]) -> None:
        for kind, document in words.items():
            body = b"" if document is None else json.dumps(document).encode()
            self._fleet.take(f"{root_topic(name)}/{kind}", body)


def words_of(twin: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By name what the device of *twin* would say over MQTT; nothing for one that edgetender does not tend. Pure."""
    name, properties = twin.get("deviceId"), twin.get("properties")
    reported = properties.get("reported") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not isinstance(reported, dict) or "agent" not in reported:
        return {}
    active = twin.get("lastActivityTime")
    status = {
        "state": "online" if twin.get("connectionState") == "Connected" else "offline",
        "ts": active if isinstance(active, str) and not active.startswith(_NEVER) else "",
    }
    # the twin's lastDesiredVersion is the hub's own count, and its keys hold no dot
    said = {key: value for key, value in reported.items() if key[:1] != "$"}
    if isinstance(modules := said.get("modules"), dict):
        said["modules"] = {unquote(module): one for module, one in modules.items()}
    return {
        name: {"status": status, "reported": said | {"lastDesiredVersion": said.get("deploymentVersion")}}
    }
