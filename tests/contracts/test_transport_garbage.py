"""What is at the broker's address may be anything: the device neither fills its memory, nor hammers, nor stays away."""

from __future__ import annotations

import resource
import socket
import threading
import time
from contextlib import suppress

import pytest

from demo.parts.waiting import until
from edgetender.secret import Secret
from edgetender.transports.mqtt import MqttTransport
from edgetender.transports.settings import MqttSettings
from tests.services.broker import TestBroker
from tests.services.far_side import settled
from tests.services.mqtt_listener import Listener
from tests.services.wire import Wire

DEVICE = "line3-cam7"
CONNACK = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}
GARBAGE: dict[str, bytes] = {
    "a packet of no type": b"\x00\x00",
    "a length that does not end": b"\x30\xff\xff\xff\xff\xff\xff",
    "a packet of 256 MiB that does not come": b"\x30\xff\xff\xff\x7f\x00\x01x",
    "a topic longer than its packet": b"\x32\x05\xff\xff\x00\x01x",
    "a second CONNACK": b"\x20\x02\x00\x00",
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an answer to nothing": b"\x40\x02\x12\x34",
    "properties that are none": b"\x32\x09\x00\x01a\x00\x01\x7f\x63\x63\x63",
}


class Anything:
    """Takes the connection, says CONNACK, then *garbage*, and keeps the line open for a moment."""

    def __init__(self, garbage: bytes, connack: bytes) -> None:
        self._said, self.visits = connack + garbage, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                self.visits += 1
                with near, suppress(OSError):
                    near.settimeout(0.5)
                    near.recv(4096)
                    near.sendall(self._said)
                    near.recv(4096)
                    near.recv(4096)


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("name", GARBAGE)
def test_after_garbage_the_device_is_back_within_seconds_and_tried_no_more_often_than_it_may(
    broker: TestBroker, name: str, protocol: str
) -> None:
    there = Anything(GARBAGE[name], CONNACK[protocol])
    taken: list[bytes] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Wire(there.port) as wire:
        settings = MqttSettings(
            "127.0.0.1",
            wire.port,
            tls=False,
            username=broker.user,
            password=Secret(broker.password),
            protocol=protocol,  # type: ignore[arg-type]
            keepalive_s=1,
        )
        transport = MqttTransport(settings, f"garbage-{protocol}")
        transport.open(lambda body: bool(taken.append(body)) or True, lambda: None)
        began = time.monotonic()
        try:
            until(lambda: there.visits >= 2, "a second attempt", every_s=0.02)
            threading.Event().wait(0.5)  # long enough to hammer
            # pauses of 1, 2, 4, 8 s at most, drawn from nothing on: a few may be short
            assert there.visits <= 6 + (time.monotonic() - began) * 3
            assert [body for body in taken if len(body) > 8] == []
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB
            wire.target = broker.port
            wire.cut()
            wire.mend()
            settled(transport, connected=True)
        finally:
            transport.close()
            there.close()


@pytest.mark.broker
def test_what_is_retained_on_every_topic_of_a_device_neither_ends_the_link_nor_becomes_a_manifest(
    broker,
) -> None:
    topics = [
        "desired",
        "reported",
        "status",
        "cmd/logs",
        "cmd/",
        "cmd/a/b/c",
        "telemetry/device",
        "event/x",
        "x/y/z",
    ]
    settings = MqttSettings(
        "127.0.0.1", broker.port, tls=False, username=broker.user, password=Secret(broker.password)
    )
    taken: list[bytes] = []
    with Listener(broker.port, DEVICE) as far:
        for number, topic in enumerate(topics):
            far.publish(topic, bytes([number, 0xFF, 0x00]) * 1000, retain=True)
        transport = MqttTransport(settings, DEVICE)
        transport.answer(lambda name, request, source, identity="": (200, {}))
        transport.open(lambda body: bool(taken.append(body)) or True, lambda: None)
        try:
            until(lambda: taken, "what is retained")
            far.publish("desired", b'{"version":7}')
            until(lambda: b'{"version":7}' in taken, "the next one")
            assert transport.link().connected
            assert len(taken) == 2  # the first is refused where manifests are read; no other topic is one
        finally:
            transport.close()
            far.forget(*topics)
