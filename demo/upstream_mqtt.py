"""Over MQTT: a broker of our own, and an operator's client that hears all below the device's name."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from demo.clean import DEVICE
from demo.narrator import StoryFailed
from demo.parts.broker import Broker
from demo.parts.process import free_port
from demo.upstream import Upstream

if TYPE_CHECKING:
    from pathlib import Path

    from demo.device import Device
    from demo.parts.identities import Authority

_PREFIX = f"edgetender/v1/{DEVICE}/"


class MqttUpstream(Upstream):
    """Reconnects by itself when the broker comes back."""

    name, carrier = "broker", "MQTT"
    presence = "`status` (retained): online; its last will says offline"
    delivery = "retained, QoS 1; stored before it was acknowledged"
    about = "mosquitto: TLS, client certificates, topics by device"

    def __init__(self, home: Path, authority: Authority) -> None:
        super().__init__()
        self._broker = Broker(home / "mosquitto", authority, tls_port=free_port())
        self._operator = authority.issue("operator")
        self._identity = authority.issue(DEVICE)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="demo-operator", protocol=paho.MQTTv5
        )
        operator = self._operator
        self._client.tls_set(str(authority.certificate), str(operator.certificate), str(operator.key))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{_PREFIX}#", qos=1)
        self._client.on_message = self._take

    @property
    def where(self) -> str:  # type: ignore[override]  # known before it is started
        return f"localhost:{self._broker.tls_port}"

    def start(self) -> None:
        self._broker.start()
        self._client.connect("localhost", self._broker.tls_port)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._broker.stop()

    def go_away(self) -> None:
        self._broker.stop()

    def come_back(self) -> None:
        self._broker.start()

    def transport(self, credentials: Path) -> str:  # noqa: ARG002  # a certificate is all there is to it
        return f"""\
kind = "mqtt"
host = "localhost"
port = {self._broker.tls_port}
ca = "{self._broker.ca}"
certificate = "{self._identity.certificate}"
key = "{self._identity.key}"
"""

    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> float:
        at = time.monotonic()
        self._client.publish(f"{_PREFIX}{topic}", body, qos=1, retain=retain).wait_for_publish(10)
        return at

    def push(self, device: Device, manifest: Path) -> None:
        """`edgetender push`, with the operator's certificate."""
        broker = ("--broker", f"mqtts://{self.where}", "--ca", self._broker.ca)
        identity = ("--certificate", self._operator.certificate, "--key", self._operator.key)
        pushed = device.cli("push", manifest, "--to", f"device:{DEVICE}", *broker, *identity)
        if pushed.code != 0:
            raise StoryFailed(f"`edgetender push {manifest.name}` failed:\n{pushed.all}")

    def _take(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            body = json.loads(message.payload)
        except ValueError:
            body = message.payload
        self._remember(message.topic.removeprefix(_PREFIX), body, retained=message.retain)
