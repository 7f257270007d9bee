"""A device of an IoT Hub without any library: says exactly the bytes a test wants, and hears what comes."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pytest

from edgetender.fleet.hub import topics
from edgetender.fleet.hub.access import resource_of, signature
from edgetender.fleet.hub.hub import PORT
from edgetender.fleet.hub.packets import framed
from tests.services.hub import TestHub

WAIT_S = 60.0


@dataclass(frozen=True)
class Packet:
    head: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.head >> 4

    @property
    def topic(self) -> str:
        return self.body[2 : 2 + struct.unpack_from(">H", self.body)[0]].decode()

    @property
    def number(self) -> int:
        at = 2 + struct.unpack_from(">H", self.body)[0]
        return struct.unpack_from(">H", self.body, at)[0] if self.head >> 1 & 3 else 0

    @property
    def payload(self) -> bytes:
        at = 2 + struct.unpack_from(">H", self.body)[0]
        return self.body[at + (2 if self.head >> 1 & 3 else 0) :]

    def json(self) -> Any:
        return json.loads(self.payload)


def prefixed(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


class HubDevice:
    """Connects for a `with` block; *code* is what the hub answered to CONNECT."""

    def __init__(
        self, address: str, client_id: str, *, key: str = "", ca: Any = None, **options: Any
    ) -> None:
        self.client_id, self._address, self._key = client_id, address, key
        self._options = {"clean": False, "keepalive": 60, "expires_in": 3600, "certificate": None} | options
        self._context = ssl.create_default_context(cafile=ca)
        if self._options["certificate"]:
            pair = self._options["certificate"]
            self._context.load_cert_chain(pair.certificate, pair.key)
        self._number = 0
        self.code = -1
        self.session = False

    def __enter__(self) -> Self:
        raw = socket.create_connection((self._address, PORT), WAIT_S)
        self._socket = self._context.wrap_socket(raw, server_hostname=self._address)
        user = f"{self._address}/{self.client_id}/?api-version=2019-10-01&DeviceClientType=test"
        flags = 0x80 | (2 if self._options["clean"] else 0) | (0x40 if self._key else 0)
        body = prefixed("MQTT") + struct.pack(">BBH", 4, flags, self._options["keepalive"])
        body += prefixed(self.client_id) + prefixed(self._options.get("username", user))
        if self._key:
            expires = int(time.time()) + self._options["expires_in"]
            body += prefixed(signature(self._key, resource_of(self._address, self.client_id), expires))
        self.write(0x10, body)
        answer = self.read()
        if answer is not None:
            self.session, self.code = bool(answer.body[0]), answer.body[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def write(self, head: int, body: bytes) -> None:
        self._socket.sendall(framed(head, body))

    def read(self, within_s: float = WAIT_S) -> Packet | None:
        """The next packet; None when the hub has hung up. Raises TimeoutError."""
        self._socket.settimeout(within_s)
        try:
            head = self._exactly(1)[0]
            length, factor = 0, 1
            while True:
                byte = self._exactly(1)[0]
                length, factor = length + (byte & 127) * factor, factor * 128
                if not byte & 128:
                    return Packet(head, self._exactly(length))
        except (EOFError, ConnectionError, ssl.SSLError):
            return None

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self._socket.recv(size - len(found))
            if not more:
                raise EOFError
            found += more
        return found

    def hung_up(self) -> bool:
        """Whether the hub ends the connection; what comes before that is read and forgotten."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if self.read() is None:
                return True
        return False

    def subscribe(self, *names: str, qos: int = 1) -> bytes:
        """The QoS granted for each."""
        self._number += 1
        body = struct.pack(">H", self._number) + b"".join(prefixed(name) + bytes([qos]) for name in names)
        self.write(0x82, body)
        answer = self.read()
        return answer.body[2:] if answer else b""

    def listen(self) -> None:
        self.subscribe(topics.TWIN_RESPONSES, topics.DESIRED, topics.METHODS)

    def publish(self, topic: str, body: bytes = b"", *, qos: int = 1, retain: bool = False) -> None:
        self._number += 1
        number = struct.pack(">H", self._number) if qos else b""
        self.write(0x30 | qos << 1 | int(retain), prefixed(topic) + number + body)

    def acknowledge(self, packet: Packet) -> None:
        self.write(0x40, struct.pack(">H", packet.number))

    def tell(self, body: bytes, properties: str = "", **more: Any) -> None:
        self.publish(f"{topics.root_of(self.client_id)}/messages/events/{properties}", body, **more)

    def twin(self) -> tuple[int, Any]:
        """Ask for the twin: status and document."""
        self.publish("$iothub/twin/GET/?$rid=r1", b" ")
        return self.response()

    def report(self, patch: Any) -> tuple[int, str]:
        """Patch the reported properties: status and the topic of the answer."""
        body = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
        self.publish("$iothub/twin/PATCH/properties/reported/?$rid=r%202", body)
        packet = self.heard("$iothub/twin/res/")
        return int(packet.topic.split("/")[3]), packet.topic

    def response(self) -> tuple[int, Any]:
        packet = self.heard("$iothub/twin/res/")
        return int(packet.topic.split("/")[3]), packet.json() if packet.payload else None

    def heard(self, start: str) -> Packet:
        """The next message on a topic that begins with *start*; others are passed over."""
        while True:
            packet = self.read()
            assert packet is not None, f"the hub hung up instead of {start}"
            if packet.kind == 3 and packet.topic.startswith(start):
                return packet


def connected(hub: TestHub, client_id: str = "cam7", *, key: str = "", **options: Any) -> HubDevice:
    """A device that *hub* knows, by its first key or by *key*; connects for a `with` block."""
    identity = hub.register(client_id)
    return HubDevice(hub.address, client_id, key=key or identity.keys[0], ca=hub.ca, **options)


@pytest.fixture
def cam(hub: TestHub) -> Iterator[HubDevice]:
    """`cam7`, connected and listening."""
    with connected(hub) as cam:
        assert cam.code == 0
        cam.listen()
        yield cam
