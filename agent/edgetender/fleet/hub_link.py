"""How does a manifest reach a device over an Azure IoT Hub, and its answer us? By the device's twin."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from edgetender.errors import LinkDown
from edgetender.fleet.hub_service import HubService
from edgetender.fleet.polling import words_of
from edgetender.fleet.push import Answers, DeviceLink
from edgetender.model.trace import carrying
from edgetender.transports.iothub_twin import in_chunks
from edgetender.transports.settings import MqttSettings

_EVERY_S = 1.0

Upstream = MqttSettings | HubService


def link_to(upstream: Upstream, device: str, *, listens: bool) -> DeviceLink | HubLink:
    """An operator's short connection to *device*, for a `with` block. Raises LinkDown."""
    if isinstance(upstream, HubService):
        return HubLink(upstream, device, listens=listens)
    return DeviceLink(upstream, device, listens=listens)


class HubLink(Answers):
    """Writes what the twin of *device* desires, and where it *listens* looks at what it reports, each second."""

    def __init__(self, hub: HubService, device: str, *, listens: bool, every_s: float = _EVERY_S) -> None:
        super().__init__()
        self._hub, self._device, self._every_s = hub, device, every_s
        self._listens = listens
        self._stopping = threading.Event()
        self._told: Any = None
        self._thread = threading.Thread(target=self._follow, name="push", daemon=True)

    def __enter__(self) -> Self:
        self._look(self._kept.append)
        if self._listens:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()  # a question under way ends with the process

    def push(self, manifest: bytes, *, timeout_s: float, traceparent: str = "") -> None:  # noqa: ARG002  # a hub's own
        """Return once the hub keeps *manifest* as the device's desired state. Raises LinkDown.

        A twin holds nothing of any size, so it goes in pieces; what else was desired as `deployment` is taken out.
        """
        desired = (self._hub.twin(self._device).get("properties") or {}).get("desired") or {}
        before = desired.get("deployment")
        gone = dict.fromkeys(before) if isinstance(before, dict) else {}
        self._hub.desire(self._device, {"deployment": gone | in_chunks(carrying(manifest, traceparent))})

    def _follow(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self._look(self._heard.put)
            except LinkDown as error:
                self._failure = error
                return

    def _look(self, keep: Callable[[bytes], None]) -> None:
        said = words_of(self._hub.twin(self._device)).get(self._device, {}).get("reported")
        if said is not None and said != self._told:
            self._told = said
            keep(json.dumps(said).encode())
