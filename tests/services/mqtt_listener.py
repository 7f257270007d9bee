"""An MQTT client for tests, on either paho major: it hears everything below one device and can publish."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Self

import paho.mqtt.client as paho

from demo.parts.waiting import HANGS_S, until


@dataclass(frozen=True, slots=True)
class Heard:
    topic: str  # below the device's root
    body: bytes
    retained: bool
    properties: dict[str, Any] = field(default_factory=dict)


class Listener:
    """Connected and subscribed when the constructor returns; for a `with` block."""

    def __init__(self, port: int, device: str, *, host: str = "127.0.0.1") -> None:
        self.port = port
        self._root = f"edgetender/v1/{device}/"
        self._subscribed = threading.Event()
        self.heard: list[Heard] = []
        options: dict[str, Any] = {"protocol": paho.MQTTv5}
        if hasattr(paho, "CallbackAPIVersion"):
            options["callback_api_version"] = paho.CallbackAPIVersion.VERSION2
        self._client = paho.Client(**options)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._root}#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = self._remember
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._subscribed.wait(HANGS_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def hears(self) -> None:
        """Return when it is subscribed; the broker may have been away."""
        assert self._subscribed.wait(HANGS_S)

    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        self.hears()
        info = self._client.publish(self._root + topic, body, qos=1, retain=retain)
        info.wait_for_publish(HANGS_S)
        assert info.is_published()

    def forget(self, *topics: str) -> None:
        """Remove what the broker retains on *topics*."""
        for topic in topics:
            self.publish(topic, b"", retain=True)

    def bodies(self, topic: str) -> list[bytes]:
        return [one.body for one in self.heard if one.topic == topic and one.body]

    def wait(self, topic: str, holds: bytes = b"", *, after: int = 0) -> Heard:
        """The first message on *topic* whose body holds *holds*, leaving out the first *after* heard."""
        return until(
            lambda: next(
                (h for h in self.heard[after:] if h.topic == topic and h.body and holds in h.body), None
            ),
            f"{holds!r} on {topic}",
        )

    def _remember(self, _client: object, _userdata: object, message: Any) -> None:
        topic = message.topic.removeprefix(self._root)
        said = message.properties.json() if message.properties else {}
        self.heard.append(Heard(topic, bytes(message.payload), bool(message.retain), said))
