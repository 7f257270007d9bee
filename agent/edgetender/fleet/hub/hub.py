"""The hub: an address where devices connect, and what a back end may ask of it, from any thread."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from edgetender.errors import NotFound, Transient
from edgetender.fleet.hub import packets, topics
from edgetender.fleet.hub.access import Identity, admitted, shown, thumbprint_of
from edgetender.fleet.hub.provisioning import Provisioning
from edgetender.fleet.hub.session import Session
from edgetender.fleet.hub.state import (
    C2D_BYTES,
    C2D_PENDING,
    METHOD_BYTES,
    Device,
    Received,
    Throttles,
    Waiting,
    Wrongs,
)
from edgetender.fleet.hub.twin import TwinRefused, replacing

PORT = 8883  # the SDK knows no other
_ANSWER_S = 30.0
T = TypeVar("T")


class DeviceOffline(Transient):
    """The method's device is not connected (404103), or does not answer in time (504101)."""

    code = "hub.offline"


class LocalHub:
    """An IoT Hub at *address*, whose TLS certificate must be for it. For a `with` block.

    `go_away` and `come_back` are an outage: devices lose their connections, what the hub knows stays.
    """

    def __init__(
        self,
        address: str,
        certificate: Path,
        key: Path | None = None,
        *,
        port: int = PORT,
        throttles: Throttles | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.address, self._port, self.now = address, port, now
        self.throttles, self.wrongs = throttles or Throttles(), Wrongs()
        self.monotonic = time.monotonic
        self.provisioning: Provisioning | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._devices: dict[str, Device] = {}
        self._numbers, self._requests = itertools.count(1), itertools.count(1)
        self._sessions: set[Session] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hub", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.come_back()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_away()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def come_back(self) -> None:
        """Listen (again). Raises OSError when the address is taken."""

        async def listen() -> None:
            self._server = await asyncio.start_server(
                self._connected, self.address, self._port, ssl=self._context, backlog=1024
            )

        self._do(listen())

    def go_away(self) -> None:
        """Listen no more, and end every connection without a word."""

        async def leave() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None
            sessions = tuple(self._sessions)
            for session in sessions:
                session.end("the hub goes away")
            await asyncio.gather(*(session.over.wait() for session in sessions))

        self._do(leave())

    # the registry

    def register(
        self,
        client_id: str,
        *,
        keys: tuple[str, ...] | None = None,
        certificate: str = "",
        by_authority: bool = False,
    ) -> Identity:
        """A device, or a module of one (`cam7/scorer`). *certificate* is PEM, self-signed: its thumbprint counts.

        One that is registered already stays as it is.
        """
        identity = Identity(client_id, by_authority=by_authority)
        if keys is not None:
            identity.keys = keys
        if certificate:
            identity.thumbprint = thumbprint_of(certificate)
            self._context.load_verify_locations(cadata=certificate)
        return self._now(lambda: self._devices.setdefault(client_id, Device(identity))).identity

    def trust(self, authority: str) -> None:
        """Take client certificates that *authority* (PEM) signed."""
        self._context.load_verify_locations(cadata=authority)

    def connection_string(self, client_id: str) -> str:
        """What the portal shows."""
        device, _, module = client_id.partition("/")
        key = self._device(client_id).identity.keys[0]
        part = f";ModuleId={module}" if module else ""
        return f"HostName={self.address};DeviceId={device}{part};SharedAccessKey={key}"

    # the back end's side

    def desire(self, client_id: str, changes: Mapping[str, Any]) -> int:
        """Merge *changes* into the desired properties, push them, return the version. Raises TwinRefused."""
        return self._now(lambda: self._desire(self._device(client_id), dict(changes)))

    def replace_desired(self, client_id: str, wanted: Mapping[str, Any]) -> int:
        """Make the desired properties exactly *wanted*. Raises TwinRefused."""

        def replaced() -> int:
            device = self._device(client_id)
            return self._desire(device, replacing(device.twin.desired.properties, wanted))

        return self._now(replaced)

    def devices(self) -> dict[str, bool]:
        """Every device and module, and whether it is connected."""
        return self._now(lambda: {name: one.session is not None for name, one in self._devices.items()})

    def twin(self, client_id: str) -> dict[str, Any]:
        """`{"desired": {…, "$version": n}, "reported": {…, "$version": m}}`, a copy."""
        return self._now(lambda: self._device(client_id).twin.document())  # noqa: PLW0108  # there, not here

    def messages(self, client_id: str) -> list[Received]:
        return self._now(lambda: list(self._device(client_id).messages))

    def is_connected(self, client_id: str) -> bool:
        return self._now(lambda: self._device(client_id).session is not None)

    def counts(self, client_id: str) -> tuple[int, int, int]:
        """How often it has connected, read its twin, and written it."""
        device = self._now(lambda: copy.copy(self._device(client_id)))
        return device.connects, device.reads, device.writes

    def disconnect(self, client_id: str) -> None:
        """End its connection, if it has one."""

        def ended() -> None:
            session = self._device(client_id).session
            if session is not None:
                session.end("the hub ended it")

        self._now(ended)

    def send(self, client_id: str, body: bytes, properties: Mapping[str, str] | None = None) -> None:
        """Queue a message for the device. Raises TwinRefused when it is too large, or too many wait."""

        def queued() -> None:
            device = self._device(client_id)
            if len(body) > C2D_BYTES or len(device.waiting) >= C2D_PENDING:
                raise TwinRefused(f"at most {C2D_BYTES} bytes, and {C2D_PENDING} messages that wait", 403)
            bag = topics.bag({"$.to": f"/devices/{client_id}/messages/devicebound"} | dict(properties or {}))
            waiting = Waiting(topics.devicebound(client_id) + bag, body)
            device.waiting.append(waiting)
            if device.session is not None:
                device.session.offer(waiting)

        self._now(queued)

    def waiting(self, client_id: str) -> int:
        """How many messages the device has not acknowledged."""
        return self._now(lambda: len(self._device(client_id).waiting))

    def invoke(
        self, client_id: str, name: str, payload: Any = None, *, timeout_s: float = 30.0
    ) -> tuple[int, Any]:
        """Call a method; the device's status and answer. Raises DeviceOffline, TwinRefused."""
        body = json.dumps(payload).encode()
        if len(body) > METHOD_BYTES:
            raise TwinRefused(f"a method takes at most {METHOD_BYTES} bytes, not {len(body)}", 413)

        async def asked() -> tuple[int, Any]:
            device, request = self._device(client_id), str(next(self._requests))
            answer: asyncio.Future[tuple[int, Any]] = self._loop.create_future()
            device.calls[request] = answer
            try:
                if device.session is None or not device.session.call(name, request, body):
                    raise DeviceOffline(f"cannot call {name}: {client_id} is not connected (404103)")
                return await asyncio.wait_for(answer, timeout_s)
            except TimeoutError:
                why = f"{client_id} did not answer within {timeout_s:g} s (504101)"
                raise DeviceOffline(f"cannot call {name}: {why}") from None
            finally:
                device.calls.pop(request, None)

        return self._do(asked(), timeout_s + _ANSWER_S)

    # for its sessions

    def admit(self, connect: packets.Connect, tls: ssl.SSLObject | None) -> tuple[Device | None, int, float]:
        """The device that may connect so, MQTT's code if it may not, and until when it may stay."""
        device = self._devices.get(connect.client_id)
        identity = device.identity if device is not None else None
        until = admitted(connect, identity, shown(tls), self.now())
        if until is None or device is None or self.wrongs.take("refuse"):
            return None, packets.UNAUTHORIZED, 0.0
        if not self.throttles.connects.take(self.monotonic()):
            return None, packets.UNAVAILABLE, 0.0
        device.connects += 1
        return device, packets.ACCEPTED, until

    def know(self, identity: Identity) -> None:
        self._devices.setdefault(identity.client_id, Device(identity)).identity = identity

    def count(self) -> int:
        return next(self._numbers)

    def gone(self, session: Session) -> None:
        self._sessions.discard(session)
        if session.device is not None and session.device.session is session:
            session.device.session = None

    def took(self, session: Session) -> None:
        """*session* is its device's now; the one before it ends: one connection for each id."""
        before, session.device.session = session.device.session, session
        if before is not None:
            before.end("another connection of the same id")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        self._sessions.add(session)
        await session.run()

    def _desire(self, device: Device, changes: dict[str, Any]) -> int:
        version = device.twin.desired.patch(changes)
        if device.session is not None:
            device.session.desired(changes, version)
        return version

    def _device(self, client_id: str) -> Device:
        if client_id not in self._devices:
            raise NotFound(f"cannot find {client_id!r}: the hub has no such device")
        return self._devices[client_id]

    def _now(self, work: Callable[[], T]) -> T:
        async def worked() -> T:
            return work()

        return self._do(worked())

    def _do(self, work: Coroutine[Any, Any, T], timeout_s: float = _ANSWER_S) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)
