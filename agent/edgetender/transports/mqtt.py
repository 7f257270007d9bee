"""How do manifests and reports travel over MQTT? One connection at a time, acknowledged only when on disk."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable

from edgetender import __version__
from edgetender.clock import Clock, SystemClock, rfc3339
from edgetender.codec import MAX_BYTES, sha256_hex
from edgetender.errors import LinkDown
from edgetender.model.topics import BIRTH, DESIRED, STATUS
from edgetender.model.trace import MEMBER
from edgetender.model.upstream import EVENTS, Link, Message
from edgetender.ports import Commands
from edgetender.transports.keeper import LinkKeeper
from edgetender.transports.mqtt_commands import Asking
from edgetender.transports.mqtt_connection import Connection
from edgetender.transports.publication import Party, Publication, root_topic
from edgetender.transports.refusals import ProtocolRefused, PublicationRefused
from edgetender.transports.settings import MqttSettings

log = logging.getLogger(__name__)

LEAVE_S = 3.0  # for the last words and the goodbye


class MqttTransport:
    """Manifests from `edgetender/v1/<device>/desired`, reports below the same root; client id is the device.

    The broker keeps the session (subscription and what was not acknowledged) for *session_expiry_s*. `status`
    is retained: `online` with this connection's session id, `offline` as the last will with the same id, or
    `offline` with a reason when we leave by ourselves; who sees an older session's will can ignore it.

    Threads: as the Transport port says; the keeper's thread is named `mqtt` and runs the network too.
    """

    def __init__(self, settings: MqttSettings, device: str, *, clock: Clock | None = None) -> None:
        self._settings, self._device = settings, device
        self._clock = clock or SystemClock()
        self._root = root_topic(device)
        self._keeper = LinkKeeper(
            "mqtt", settings.endpoint, self._attempt, clock=self._clock, cap_s=settings.reconnect_max_s
        )
        self._accept: Callable[[bytes], bool] = lambda _body: False
        self._asking: Asking | None = None
        self._connection: Connection | None = None
        self._changing = threading.Lock()
        self._speaks_5 = settings.protocol != "3.1.1"
        self._session = ""

    def answer(self, commands: Commands) -> None:
        """Commands come on `cmd/<name>`; answers go where they say."""
        self._asking = Asking(commands, self._clock, self._reply)

    def open(self, accept: Callable[[bytes], bool], wake: Callable[[], None]) -> None:
        self._accept = accept
        self._keeper.open(wake)

    def link(self) -> Link:
        return self._keeper.link()

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Return once the broker has acknowledged (QoS 1). Raises LinkDown; it may then arrive twice."""
        connection = self._connection
        if connection is None or not self.link().connected:  # paho would queue without bound
            raise LinkDown(f"cannot send {message.topic}: not connected to {self._settings.endpoint}")
        try:
            connection.publish(self._publication(message), timeout_s=timeout_s)
        except PublicationRefused as refusal:
            self._keeper.note(str(refusal))  # it would be refused for years, and nobody would know
            raise
        if self.link().detail:
            self._keeper.note("")

    def close(self) -> None:
        """Say goodbye if there is a link, end it either way; LEAVE_S seconds or so at most."""
        self._keeper.closing.set()
        with self._changing:
            connection = self._connection
        if connection is not None:
            goodbye = self._status("offline", reason="stopped") if self.link().connected else None
            connection.leave(goodbye, timeout_s=LEAVE_S)
        self._keeper.close(LEAVE_S)

    def _attempt(self) -> None:
        try:
            self._connect(5 if self._speaks_5 else 4)
        except ProtocolRefused as refusal:
            if self._settings.protocol != "auto" or not self._speaks_5 or self._keeper.closing.is_set():
                raise
            # a broker that says it cannot is believed for good; one that hung up may only be restarting
            self._speaks_5 = not refusal.explicit
            log.info("MQTT 5 refused, trying 3.1.1", extra={"fields": {"endpoint": self._settings.endpoint}})
            self._connect(4)

    def _connect(self, level: int) -> None:
        self._session = uuid.uuid4().hex
        party = Party(
            self._device,
            f"{self._root}/{DESIRED.name}",
            self._status("offline", reason="connection lost"),
            commands=f"{self._root}/cmd/#" if self._asking is not None else "",
        )
        connection = Connection(
            self._settings,
            level,
            party,
            on_up=self._is_up,
            on_message=lambda _topic, body, _kept: self._take(body),
            on_command=self._asking.take if self._asking is not None else None,
        )
        with self._changing:
            if self._keeper.closing.is_set():
                return
            self._connection = connection
        try:
            connection.run()
        finally:
            self._connection = None

    def _reply(self, publication: Publication) -> None:
        """Raises LinkDown; whoever asked asks again with the same id."""
        connection = self._connection
        if connection is None:
            raise LinkDown(f"cannot answer on {publication.topic}: not connected")
        connection.post(publication)

    def _is_up(self, connection: Connection) -> None:
        connection.post(self._status("online"))
        self._keeper.is_up()

    def _take(self, body: bytes) -> bool:
        """Whether *body* may be acknowledged. Never raises: paho 1.6 would lose its thread."""
        if not body:
            return True  # somebody deleted the retained manifest; that is no wish of its own
        try:
            accepted = self._accept(
                body[: MAX_BYTES + 1]
            )  # one too many is enough to be refused for its size
        except Exception:
            log.exception("manifest not taken")
            return False
        if not accepted:
            log.warning("manifest not acknowledged: it could not be written down")
        return accepted

    def _status(self, state: str, **more: str) -> Publication:
        body = {"state": state, "session": self._session, "agent": __version__}
        body |= {"ts": rfc3339(self._clock.now())} | more
        return Publication(f"{self._root}/{STATUS.name}", json.dumps(body).encode(), retain=True)

    def _publication(self, message: Message) -> Publication:
        kind = message.topic.partition("/")[0]
        attributes: dict[str, str] = {}
        if kind in {
            EVENTS,
            BIRTH.name,
        }:  # CloudEvents 1.0, binary mode; the same bytes sent again keep their id
            attributes = {
                "specversion": "1.0",
                "id": sha256_hex(message.body)[:32],
                "source": self._root,
                "type": f"edgetender.{message.topic.replace('/', '.')}",
            }
            if kind == EVENTS:
                attributes |= _said_beside(message.body)
        return Publication(
            f"{self._root}/{message.topic}",
            message.body,
            retain=message.retain,
            expiry_s=message.expiry_s,
            attributes=tuple(attributes.items()),
        )


def _said_beside(event: bytes) -> dict[str, str]:
    """CloudEvents' time, and its distributed tracing extension's attribute, as far as *event* says them."""
    try:
        said = json.loads(event)
    except ValueError:
        return {}
    members = {"time": "at", MEMBER: MEMBER}
    found = {name: said.get(key) for name, key in members.items()} if isinstance(said, dict) else {}
    return {name: text for name, text in found.items() if isinstance(text, str)}
