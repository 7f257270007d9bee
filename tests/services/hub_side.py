"""A device of a local IoT Hub, seen by a test from the hub's side; for the suites that run with the SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from demo.parts.waiting import until
from edgetender.model.upstream import Message
from edgetender.secret import Secret
from edgetender.transports.iothub import IotHubTransport
from edgetender.transports.iothub_twin import in_chunks
from edgetender.transports.settings import IotHubSettings
from tests.services.far_side import Inbox, numbers, opened
from tests.services.hub import TestHub

MANIFEST = {"schema": "edgetender/v1", "deployment": "line3", "version": 7, "modules": {}}


@dataclass
class HubSide:
    """A device of a local IoT Hub, which is on the hub's side and on nobody else's."""

    hub: TestHub
    device: str
    settings: IotHubSettings
    transport: IotHubTransport

    def publish(self, body: bytes) -> None:
        """In chunks: a twin keeps no JSON as it was spelled."""
        self.hub.replace_desired(self.device, {"deployment": in_chunks(body)})

    def until_it_hears(self) -> None:
        """It subscribes and reads its twin before its link is up."""

    def offer_again(self) -> None:
        """It connects again by itself."""

    def heard(self, topic: str) -> list[bytes]:
        found = [one.body for one in self.hub.messages(self.device) if one.properties.get("kind") == topic]
        reported = self.hub.twin(self.device)["reported"]
        del reported["$version"]
        return found or ([json.dumps(reported).encode()] if reported and topic == "reported" else [])

    def again(self, **changes: Any) -> IotHubTransport:
        """The device's next transport, for instance after its process ended; with other settings."""
        self.transport.close()
        self.settings = replace(self.settings, **changes)
        self.transport = IotHubTransport(self.settings, self.device)
        return self.transport

    def opened_again(self, **changes: Any) -> Inbox:
        self.again(**changes)
        return opened(self)

    def report(self, **document: Any) -> None:
        """Send *document* as the state of the device."""
        self.transport.send(Message("reported", json.dumps(document).encode(), retain=True), timeout_s=60)

    def reported(self) -> dict[str, Any]:
        """The reported properties, as the back end sees them."""
        found: dict[str, Any] = self.hub.twin(self.device)["reported"]
        return found

    def detail(self, words: str) -> str:
        """What the link says of itself, once it says *words*."""
        until(lambda: words in self.transport.link().detail, words)
        return self.transport.link().detail

    def go_away(self) -> None:
        self.hub.go_away()

    def come_back(self) -> None:
        self.hub.come_back()


def hub_side(hub: TestHub, **changes: Any) -> HubSide:
    """A device that is registered with *hub*, by its connection string; *changes* to its settings."""
    device = f"line3-cam{next(numbers)}"
    hub.register(device)
    options: dict[str, Any] = {"ca": hub.ca, "reconnect_max_s": 0.2} | changes
    settings = IotHubSettings(device, **({"secret": Secret(hub.connection_string(device))} | options))
    return HubSide(hub, device, settings, IotHubTransport(settings, device))


@pytest.fixture
def iothub(hub: TestHub) -> Iterator[HubSide]:
    """A device that reports at once, not opened yet."""
    side = hub_side(hub, quiet_s=0.0)
    yield side
    side.transport.close()
