"""A device that asks the provisioning service which hub is its own: by key, by its group's key, by certificate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.parts.process import free_alias
from demo.parts.waiting import until
from edgetender.fleet.hub.hub import PORT
from edgetender.fleet.hub.provisioning import Provisioning
from edgetender.model.upstream import Message
from edgetender.secret import Secret
from edgetender.transports.iothub import IotHubTransport
from edgetender.transports.settings import IotHubSettings
from tests.services.far_side import Inbox, settled
from tests.services.hub import TestHub
from tests.services.hub_command import running


@dataclass
class Field:
    """The service, its hub, and a device that is yet to be told where it belongs."""

    hub: TestHub
    service: Provisioning
    home: Path
    opened: list[IotHubTransport]

    def start(self, *, up: bool = True, **changes: Any) -> IotHubTransport:
        settings = IotHubSettings(
            "cam7",
            ca=self.hub.ca,
            id_scope=self.service.id_scope,
            registration="cam7",
            provisioning_host=self.hub.address,
            assignment=self.home / "iothub.json",
            reconnect_max_s=0.2,
            **changes,
        )
        transport, inbox = IotHubTransport(settings, "cam7"), Inbox()
        transport.open(inbox.accept, inbox.wake)
        self.opened.append(transport)
        if up:
            settled(transport, connected=True)
        return transport


@pytest.fixture
def iothub_field(hub: TestHub, tmp_path: Path) -> Iterator[Field]:
    hub.provisioning = Provisioning(hub)
    field = Field(hub, hub.provisioning, tmp_path, [])
    yield field
    for transport in field.opened:
        transport.close()


def test_a_device_of_its_own_key_finds_its_hub_and_its_name_there(iothub_field: Field) -> None:
    key = iothub_field.service.enroll("cam7", device="line3-cam7").keys[0]
    transport = iothub_field.start(secret=Secret(key))
    transport.send(Message("event/x", b"{}"), timeout_s=60)
    assert len(iothub_field.hub.messages("line3-cam7")) == 1
    assert transport.link().endpoint.endswith("/cam7")


def test_a_device_of_a_group_has_a_key_that_is_made_of_the_group_s(iothub_field: Field) -> None:
    iothub_field.start(secret=Secret(iothub_field.service.group_key), group=True)
    assert iothub_field.hub.is_connected("cam7")


def test_a_certificate_identifies_it_at_the_service_and_at_the_hub(iothub_field: Field) -> None:
    hub = iothub_field.hub
    hub.trust(hub.ca.read_text())
    iothub_field.service.enroll("cam7", by_certificate=True)
    pair = hub.authority.issue("cam7")
    iothub_field.start(certificate=pair.certificate, key=pair.key)
    assert hub.is_connected("cam7")


def test_what_was_assigned_is_kept_over_a_restart(iothub_field: Field) -> None:
    key = Secret(iothub_field.service.enroll("cam7").keys[0])
    iothub_field.start(secret=key).close()
    assert json.loads((iothub_field.home / "iothub.json").read_text())["hub"] == iothub_field.hub.address
    iothub_field.start(secret=key)
    assert iothub_field.service.registered == {"cam7": 1}


def test_a_hub_that_refuses_makes_it_ask_again(iothub_field: Field) -> None:
    key = Secret(iothub_field.service.enroll("cam7").keys[0])
    said = {"idScope": iothub_field.service.id_scope, "registration": "cam7"}
    said |= {"hub": iothub_field.hub.address, "device": "of-another-time"}
    (iothub_field.home / "iothub.json").write_text(json.dumps(said))
    iothub_field.start(secret=key)
    assert iothub_field.service.registered == {"cam7": 1}
    assert iothub_field.hub.is_connected("cam7")


def test_a_service_that_refuses_says_so_and_is_asked_again(iothub_field: Field) -> None:
    enrollment = iothub_field.service.enroll("cam7")
    right, enrollment.keys = enrollment.keys, ()
    transport = iothub_field.start(up=False, secret=Secret(right[0]))
    until(lambda: "refuses this device's credentials" in transport.link().detail, "the reason")
    enrollment.keys = right
    settled(transport, connected=True)


@pytest.mark.parametrize("how", ["--enroll", "--enroll-x509", "--enroll-group"])
def test_the_hub_of_the_command_line_tells_a_device_that_is_enrolled_which_hub_is_its_own(
    tmp_path: Path, how: str
) -> None:
    address = free_alias(PORT)
    words = [how] if how == "--enroll-group" else [how, "cam9"]
    with running(tmp_path / "hub", *words, "--listen", address) as told:
        service = told["provisioning"]
        known: dict[str, Any] = {"secret": Secret(service.get("groupKey", ""))}
        if how == "--enroll":
            known = {"secret": Secret(service["enrollments"]["cam9"])}
        if how == "--enroll-x509":
            known = {name: Path(file) for name, file in told["certificates"]["cam9"].items()}
        settings = IotHubSettings(
            "cam9", ca=Path(told["ca"]), id_scope=service["idScope"], registration="cam9", **known,
            provisioning_host=service["host"], group=how == "--enroll-group", assignment=tmp_path / "iothub.json",
        )  # fmt: skip
        transport, inbox = IotHubTransport(settings, "cam9"), Inbox()
        transport.open(inbox.accept, inbox.wake)
        try:
            settled(transport, connected=True)
        finally:
            transport.close()
