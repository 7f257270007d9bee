"""What does the cloud's side see? An operator's MQTT client that remembers all below the device's name."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho

from demo.narrator import StoryFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.parts.identities import Keypair


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: *topic* is relative to `edgetender/v1/<device>/`, *at* is monotonic seconds."""

    at: float
    topic: str
    retained: bool
    body: Any


class Upstream:
    """Reconnects by itself when the broker comes back. Safe to read from any thread."""

    def __init__(self, device: str, port: int, ca: Path, identity: Keypair) -> None:
        self._prefix = f"edgetender/v1/{device}/"
        self._port = port
        self._heard: list[Heard] = []
        self._changed = threading.Condition()
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="demo-operator", protocol=paho.MQTTv5
        )
        self._client.tls_set(str(ca), str(identity.certificate), str(identity.key))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._prefix}#", qos=1)
        self._client.on_message = self._remember

    def start(self) -> None:
        self._client.connect("localhost", self._port)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> float:
        """Return when the broker has it, with the moment (monotonic) it was sent."""
        at = time.monotonic()
        self._client.publish(f"{self._prefix}{topic}", body, qos=1, retain=retain).wait_for_publish(10)
        return at

    def heard(self, topic: str, *, since: float = 0.0) -> list[Heard]:
        """Everything on *topic* (a trailing `#` stands for the rest) after the moment *since*."""
        with self._changed:
            return [one for one in self._heard if one.at >= since and _matches(topic, one.topic)]

    def latest(self, topic: str) -> Any:
        """The last body on *topic*; None if there was none."""
        messages = self.heard(topic)
        return messages[-1].body if messages else None

    def wait(
        self, topic: str, what: str, test: Callable[[Any], object], *, within_s: float, since: float = 0.0
    ) -> Heard:
        """Return the first message on *topic* after *since* whose body passes *test*."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while True:
                for one in self._heard:
                    if one.at >= since and _matches(topic, one.topic) and test(one.body):
                        return one
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    break
        raise StoryFailed(
            f"upstream saw no {what} on {topic!r} within {within_s:g} s; last there: {self.latest(topic)!r}"
        )

    def _remember(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            body = json.loads(message.payload)
        except ValueError:
            body = message.payload
        with self._changed:
            topic = message.topic.removeprefix(self._prefix)
            self._heard.append(Heard(time.monotonic(), topic, message.retain, body))
            self._changed.notify_all()


def _matches(pattern: str, topic: str) -> bool:
    return topic.startswith(pattern[:-1]) if pattern.endswith("#") else topic == pattern
