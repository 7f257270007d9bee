"""From the configuration to a transport, which is imported only when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.parts.waiting import until
from edgetender.config.settings import Settings, TelemetrySettings, TransportSettings
from edgetender.errors import CredentialUnusable, LinkDown, NotFound
from edgetender.linking import labels_of, transport_of
from edgetender.model.image import Credential
from edgetender.model.upstream import Message
from edgetender.secret import Secret
from edgetender.transports import TRANSPORTS, load
from edgetender.transports.folder import FolderTransport
from edgetender.transports.mqtt import MqttTransport
from tests.fakes.credentials import FakeCredentials
from tests.services.far_side import has_azure_sdk

BROKER = TransportSettings(kind="mqtt", host="broker.example", username="cam", password_credential="broker")


def settings(transport: TransportSettings) -> Settings:
    return Settings(device="line3-cam7", transport=transport, state_dir=Path("/var/lib/edgetender"))


def test_mqtt_gets_its_password_by_name() -> None:
    credentials = FakeCredentials({"broker": Credential("cam", Secret("hunter2"))})
    transport = transport_of(settings(BROKER), credentials)
    assert isinstance(transport, MqttTransport)
    assert transport.link().endpoint == "mqtts://broker.example:8883"
    assert "hunter2" not in repr(vars(transport))


def test_a_password_that_is_missing_is_an_error_and_not_an_anonymous_connection() -> None:
    with pytest.raises(CredentialUnusable, match="broker"):
        transport_of(settings(BROKER), FakeCredentials())


def test_a_folder_is_the_one_configured() -> None:
    transport = transport_of(
        settings(TransportSettings(kind="folder", path=Path("/media/stick"))), FakeCredentials()
    )
    assert isinstance(transport, FolderTransport)
    assert transport.link().endpoint == "folder:/media/stick"


def test_without_a_transport_the_link_is_never_there_and_says_why() -> None:
    transport = transport_of(settings(TransportSettings()), FakeCredentials())
    transport.open(lambda _body: True, lambda: None)
    assert not transport.link().connected
    assert "no transport is configured" in transport.link().detail
    with pytest.raises(LinkDown, match="no transport is configured"):
        transport.send(Message("reported", b"{}"), timeout_s=1)
    transport.close()


def test_every_transport_that_is_named_can_be_loaded() -> None:
    names = ["MqttTransport", "IotHubTransport", "FolderTransport"]
    assert [load(kind).__name__ for kind in TRANSPORTS] == names
    with pytest.raises(NotFound, match="known: folder, iothub, mqtt"):
        load("pigeon")


def test_paho_is_not_imported_by_a_daemon_that_does_not_speak_mqtt() -> None:
    program = "import sys, edgetender.linking, edgetender.transports.folder; print('paho' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


HUB = TransportSettings(kind="iothub", password_credential="hub", module="$edgeAgent", keepalive_s=65535)


@pytest.mark.skipif(has_azure_sdk(), reason="the SDK is here")
def test_without_the_sdk_the_link_says_how_to_get_it() -> None:
    secret = "HostName=fleet.example;DeviceId=cam;SharedAccessKey=eA=="
    transport = transport_of(settings(HUB), FakeCredentials({"hub": Credential("", Secret(secret))}))
    transport.open(lambda _body: True, lambda: None)
    try:
        until(lambda: "pip install" in transport.link().detail, "what helps")
    finally:
        transport.close()


def test_an_iot_hub_is_named_by_its_connection_string_which_is_not_shown() -> None:
    secret = "HostName=fleet.example;DeviceId=cam;SharedAccessKey=hunter2"
    transport = transport_of(settings(HUB), FakeCredentials({"hub": Credential("", Secret(secret))}))
    assert transport.link().endpoint == "iothub://fleet.example/cam/$edgeAgent"
    assert "hunter2" not in repr(vars(transport))


def test_azure_s_labels_are_there_where_they_are_asked_for_and_differ_for_each_run() -> None:
    asked = Settings(device="cam7", telemetry=TelemetrySettings(azure_labels=True))
    first, second = labels_of(asked), labels_of(asked)
    assert first["edge_device"] == "cam7"
    assert first.keys() == {"iothub", "edge_device", "instance_number"}
    assert first["instance_number"] != second["instance_number"]
    assert labels_of(Settings(device="cam7")) == {}
