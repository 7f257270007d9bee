"""One device's connection: what it says is answered as an IoT Hub does, and errors end it without a word."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edgetender.fleet.hub import packets, topics
from edgetender.fleet.hub.packets import Malformed, Publish, Short, Subscribe
from edgetender.fleet.hub.state import MESSAGE_BYTES, SUBSCRIPTIONS, Device, HangUp, Received, Waiting
from edgetender.fleet.hub.twin import TwinRefused, read_patch

if TYPE_CHECKING:
    from edgetender.fleet.hub.hub import LocalHub

CONNECT_S = 30.0
_GRACE = 1.5  # of the keep-alive, then it counts as gone


class Session:
    """Lives on the hub's loop; nothing of it may be called from another thread."""

    def __init__(self, hub: LocalHub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hub, self._reader, self._writer = hub, reader, writer
        self._number = 0
        self._unacknowledged: dict[int, Waiting] = {}
        self.device: Device = None  # type: ignore[assignment]  # until it said who it is
        self.why = ""  # it ended
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            async with asyncio.timeout(CONNECT_S):
                first = await packets.receive(self._reader)
            if not isinstance(first, packets.Connect):
                return
            if "/registrations/" in first.username and self._hub.provisioning is not None:
                await self._hub.provisioning.serve(first, self._reader, self._writer)
                return
            device, code, until = self._hub.admit(first, self._writer.get_extra_info("ssl_object"))
            if device is None:
                self._writer.write(packets.connack(code))
                await self._writer.drain()
                return
            self.device = device
            ending = self._ends_at(until)
            self._begin(first)
            try:
                await self._serve(first.keepalive_s * _GRACE or None)
            finally:
                if ending is not None:
                    ending.cancel()
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            self.why = self.why or type(error).__name__
        except (HangUp, Malformed) as error:
            self.why = str(error)
        finally:
            self._hub.gone(self)
            self._writer.close()
            self.over.set()

    def end(self, why: str) -> None:
        """Close it at once, as the network would."""
        self.why = self.why or why
        transport: Any = self._writer.transport
        transport.abort()

    def _ends_at(self, until: float) -> asyncio.TimerHandle | None:
        left_s = until - self._hub.now()
        if left_s > 86400:  # noqa: PLR2004  # no test waits for it, and a loop takes no infinity
            return None
        return asyncio.get_running_loop().call_later(left_s, lambda: self.end("its token has expired"))

    def _begin(self, first: packets.Connect) -> None:
        self._hub.took(self)
        known = bool(self.device.filters) and not first.clean
        if first.clean:
            self.device.filters.clear()
        self._writer.write(packets.connack(packets.ACCEPTED, session=known))
        for waiting in self.device.waiting:
            self.offer(waiting)

    async def _serve(self, patience_s: float | None) -> None:
        while True:
            async with asyncio.timeout(patience_s):
                packet = await packets.receive(self._reader)
            match packet:
                case Publish():
                    await self._published(packet)
                case Subscribe():
                    self._subscribed(packet)
                case Short(kind=packets.PUBACK, number=number):
                    if (waiting := self._unacknowledged.pop(number, None)) is not None:
                        with suppress(ValueError):
                            self.device.waiting.remove(waiting)
                case Short(kind=packets.PINGREQ):
                    self._writer.write(packets.PINGRESP)
                case Short(kind=packets.DISCONNECT):
                    self.why = "it left"
                    return
                case _:
                    raise HangUp("a second CONNECT")
            await self._writer.drain()

    def _subscribed(self, packet: Subscribe) -> None:
        filters = self.device.filters
        for topic, qos in packet.filters:
            if packet.ends:
                filters.discard(topic)
                continue
            if not topics.may_subscribe(self.device.identity.client_id, topic):
                raise HangUp(f"it may not listen to {topic}")
            filters.add(topic)
            if len(filters) > SUBSCRIPTIONS or qos > 2:  # noqa: PLR2004  # MQTT's highest
                raise HangUp("too many subscriptions")
        if packet.ends:
            self._writer.write(packets.unsuback(packet.number))
            return
        granted = bytes(min(qos, 1) for _, qos in packet.filters)
        self._writer.write(packets.suback(packet.number, granted))
        for waiting in self.device.waiting:
            self.offer(waiting)

    async def _published(self, packet: Publish) -> None:
        if packet.qos > 1:
            raise HangUp("QoS 2")
        kind = topics.kind_of(self.device.identity.client_id, packet.topic)
        if kind == "telemetry":
            await self._said(packet)  # acknowledged once it is here
        if packet.number is not None and kind:
            self._writer.write(packets.puback(packet.number))
        match kind:
            case "twin get":
                self._read(packet)
            case "reported":
                await self._reported(packet)
            case "method result":
                self._answered(packet)
            case "":
                raise HangUp(f"it may not publish to {packet.topic}")

    async def _said(self, packet: Publish) -> None:
        if len(packet.body) > MESSAGE_BYTES:
            raise HangUp(f"a message of {len(packet.body)} bytes")
        if self._hub.wrongs.take("drop"):
            raise HangUp("dropped, as the test wants it")
        # the service shapes this traffic before it refuses any
        await asyncio.sleep(self._hub.throttles.messages.queue_s(self._hub.monotonic()))
        properties = topics.properties_of(self.device.identity.client_id, packet.topic)
        if packet.retain:
            properties["mqtt-retain"] = "true"
        self.device.messages.append(Received(packet.body, properties, self._hub.count()))

    def _read(self, packet: Publish) -> None:
        self.device.reads += 1
        if self._hub.wrongs.take("mute_reads"):
            return
        if not self._hub.throttles.reads.take(self._hub.monotonic()):
            self._respond(429, packet)
        else:
            self._respond(200, packet, json.dumps(self.device.twin.document()).encode())

    async def _reported(self, packet: Publish) -> None:
        wrongs = self._hub.wrongs
        if wrongs.reported_delay_s:
            await asyncio.sleep(wrongs.reported_delay_s)
        if wrongs.take("refuse_reported"):
            self._respond(wrongs.reported_status, packet)
        elif not self._hub.throttles.writes.take(self._hub.monotonic()):
            self._respond(429, packet)
        else:
            try:
                version = self.device.twin.reported.patch(read_patch(packet.body))
            except TwinRefused as refusal:
                self._respond(refusal.status, packet)
            else:
                self.device.writes += 1
                self._respond(204, packet, version=version)

    def _respond(
        self, status: int, packet: Publish, body: bytes = b"", *, version: int | None = None
    ) -> None:
        versioned = f"&$version={version}" if version is not None else ""
        topic = f"$iothub/twin/res/{status}/?$rid={topics.request_id(packet.topic)}{versioned}"
        if topics.TWIN_RESPONSES in self.device.filters:
            self._writer.write(packets.publish(topic, body))

    def _answered(self, packet: Publish) -> None:
        waiting = self.device.calls.pop(topics.request_id(packet.topic), None)
        if waiting is not None and not waiting.done():
            try:
                answer = topics.result_status(packet.topic), json.loads(packet.body or b"null")
            except ValueError as error:
                raise HangUp(f"no method's result: {error}") from error
            waiting.set_result(answer)

    # what the cloud says

    def desired(self, changes: dict[str, Any], version: int) -> None:
        """Push a patch, if it listens; the hub keeps none for later."""
        if topics.DESIRED in self.device.filters:
            topic = f"$iothub/twin/PATCH/properties/desired/?$version={version}"
            self._send(topic, json.dumps(changes | {"$version": version}).encode())

    def call(self, name: str, request: str, body: bytes) -> bool:
        """Ask it; whether it listens."""
        listens = topics.METHODS in self.device.filters
        if listens:
            self._send(f"$iothub/methods/POST/{name}/?$rid={request}", body)
        return listens

    def offer(self, waiting: Waiting) -> None:
        """Send a message from the cloud, once per connection, if it listens."""
        if f"{topics.devicebound(self.device.identity.client_id)}#" not in self.device.filters:
            return
        if any(one is waiting for one in self._unacknowledged.values()):
            return
        again, waiting.sent = waiting.sent, True
        self._unacknowledged[self._send(waiting.topic, waiting.body, again=again)] = waiting

    def _send(self, topic: str, body: bytes, *, again: bool = False) -> int:
        self._number = self._number % 65535 + 1
        self._writer.write(packets.publish(topic, body, self._number, again=again))
        return self._number
