"""What happens on one MQTT connection, from CONNECT to its end? The only file that knows paho (1.6 and 2)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgetender.errors import LinkDown
from edgetender.transports.mqtt_words import asked_of, body_of, code_of, words_of
from edgetender.transports.publication import Asked, Party, Publication
from edgetender.transports.refusals import ProtocolRefused, PublicationRefused
from edgetender.transports.settings import MqttSettings
from edgetender.transports.tls import ClientContext, Identity, connect_failure, refusal

CONNACK_S = 15.0
GOODBYE_S = 1.0
SHORT_S = 5.0  # a connection lost sooner than that was probably ended on purpose
MAX_PACKET_BYTES = 512 * 1024
RECEIVE_MAXIMUM = 20
_UNSUPPORTED_VERSION = 0x84  # MQTT 5's code; paho translates 3.1.1's 1 to it when it spoke 5 itself
_NO_PONG = frozenset({paho.MQTT_ERR_KEEPALIVE, 0x8D})  # how paho 1.6 and 2 say that a ping was not answered
_REFUSED = 0x80  # codes from here on are refusals, in MQTT 5 and in 3.1.1's SUBACK
_NOT_AUTHORIZED = frozenset({4, 5, 0x86, 0x87})  # 3.1.1's two, MQTT 5's two
_NAMES = {5: "5", 4: "3.1.1"}


class Connection:
    """*level* 5 is MQTT 5, 4 is 3.1.1. *on_message*, given topic, body and whether the broker had kept it, returns
    whether it may be acknowledged; *on_command* is called for what is asked of the party.

    Threads: `run` blocks, and calls *on_up* and *on_message*; the rest may be called from any thread.
    """

    def __init__(
        self,
        settings: MqttSettings,
        level: int,
        party: Party,
        *,
        on_up: Callable[[Connection], None],
        on_message: Callable[[str, bytes, bool], bool],
        on_command: Callable[[Asked], None] | None = None,
    ) -> None:
        self._settings, self._level, self._party = settings, level, party
        self._on_up, self._on_message = on_up, on_message
        self._client = self._new_client()
        self._context: ClientContext | None = None
        self._identity = Identity(settings.ca, settings.certificate, settings.key)
        self._state = threading.Condition()
        self._acknowledged: dict[int, str] = {}  # message id → why the broker refused it, or nothing
        self._on_command = on_command
        self._main: int | None = None  # the subscription without which nothing is of use
        self._up = self._over = self._leaving = False
        self._up_at = 0.0
        self._why = ""
        self._refused: int | None = None

    def run(self) -> None:
        """Return after `leave`. Raises ProtocolRefused or LinkDown when it ended otherwise."""
        client = self._client
        try:
            self._dial(client)
            self._loop(client)
        except OSError as error:
            why = self._hung_up() if self._context and self._context.alert else connect_failure(error)
            raise LinkDown(f"{self._cannot()}: {why}") from error
        finally:
            self._clear(client)
        if self._leaving:
            return
        if self._up:
            # brokers end the older of two connections of one client id, and few say so
            twin = f"; is there another device {self._party.client_id!r}?" if self._was_short() else ""
            raise LinkDown(f"{self._cannot()}: {self._why or f'the connection was lost{twin}'}")
        if self._refused is None:
            raise ProtocolRefused(f"{self._cannot()}: {self._hung_up()}", explicit=False)
        if self._refused == _UNSUPPORTED_VERSION:
            raise ProtocolRefused(f"{self._cannot()}: it speaks no MQTT {_NAMES[self._level]}", explicit=True)
        hint = f"; {self._who_are_you()}" if self._refused in _NOT_AUTHORIZED else ""
        raise LinkDown(f"{self._cannot()}: the broker refused: {self._why}{hint}")

    def _loop(self, client: paho.Client) -> None:
        deadline = time.monotonic() + CONNACK_S
        wait_s = min(5.0, self._settings.keepalive_s / 2)
        while self._up or not self._leaving:
            if client.loop(wait_s if self._up else 0.5) != paho.MQTT_ERR_SUCCESS or client.socket() is None:
                return
            if not self._up and time.monotonic() > deadline:
                raise LinkDown(f"{self._cannot()}: no answer within {CONNACK_S:g} s; is it an MQTT broker?")
            if self._up and not self._why and self._identity.renewed():
                self._why = "its certificate was renewed; it connects anew with it"
                client.disconnect()  # in order: no will is published

    def _hung_up(self) -> str:
        """Why, as far as can be known, a broker ended the connection before it answered."""
        if self._context is None:
            return "it hung up before it answered; does it want TLS?"
        if self._context.alert is None:
            return "it hung up before it answered; does it know this client's certificate?"
        return refusal(self._context.alert, with_certificate=self._settings.certificate is not None)

    def _who_are_you(self) -> str:
        if self._settings.username is None:
            return "does it want a user name and password?"
        return "are user name and password right?"

    def _was_short(self) -> bool:
        return time.monotonic() - self._up_at < SHORT_S

    def _cannot(self) -> str:
        return f"cannot {'keep the link' if self._up else 'connect'} to {self._settings.endpoint}"

    def post(self, publication: Publication) -> int:
        """Hand *publication* over without waiting; return its message id. Raises LinkDown."""
        try:
            info = self._client.publish(
                publication.topic,
                publication.body,
                qos=1,
                retain=publication.retain,
                properties=self._properties(publication, PacketTypes.PUBLISH),
            )
        except (RuntimeError, ValueError) as error:
            raise LinkDown(f"cannot publish {publication.topic}: {error}") from error
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise LinkDown(f"cannot publish {publication.topic}: {paho.error_string(info.rc)}")
        return info.mid

    def publish(self, publication: Publication, *, timeout_s: float) -> None:
        """Return once the broker has acknowledged. Raises LinkDown; a mute broker is hung up on."""
        with self._state:
            self._acknowledged.clear()
        number = self.post(publication)
        with self._state:
            answered = self._state.wait_for(
                lambda: number in self._acknowledged or self._over or self._leaving, timeout_s
            )
            refusal = self._acknowledged.pop(number, None)
        if refusal is None:
            if not answered:
                self._hang_up()  # half-open: paho would keep the message and send it again by itself
            why = "the link was lost" if answered else f"not acknowledged within {timeout_s:g} s"
            raise LinkDown(f"cannot publish {publication.topic}: {why}")
        if refusal:
            raise PublicationRefused(
                f"cannot publish {publication.topic}: the broker refused: {refusal}; "
                f"do its topic rules let {self._party.client_id!r} write there?"
            )

    def leave(self, last_words: Publication | None, *, timeout_s: float) -> None:
        """End it in order: *last_words* acknowledged if possible, then DISCONNECT: no will is published."""
        with self._state:
            self._leaving = True
            self._state.notify_all()  # a blocked `publish` ends now
        if self._up and not self._over:
            if last_words is not None:
                with suppress(LinkDown):
                    number = self.post(last_words)
                    with self._state:
                        self._state.wait_for(lambda: number in self._acknowledged or self._over, timeout_s)
            self._client.disconnect()
            with self._state:
                self._state.wait_for(lambda: self._over, GOODBYE_S)
        self._hang_up()

    def _new_client(self) -> paho.Client:
        options: dict[str, Any] = {
            "client_id": self._party.client_id,
            "protocol": self._level,
            "reconnect_on_failure": False,
        }
        if self._level != paho.MQTTv5:
            options["clean_session"] = not self._party.keeps_session
        if hasattr(paho, "CallbackAPIVersion"):  # paho 2
            options["callback_api_version"] = paho.CallbackAPIVersion.VERSION2
        client = paho.Client(**options)
        if self._settings.username is not None:
            password = self._settings.password
            client.username_pw_set(self._settings.username, password.reveal() if password else None)
        if (will := self._party.will) is not None:
            properties = self._properties(will, PacketTypes.WILLMESSAGE)
            client.will_set(will.topic, will.body, qos=1, retain=will.retain, properties=properties)
        client.on_connect, client.on_disconnect = self._answered, self._ended
        client.on_publish, client.on_subscribe = self._published, self._subscribed
        client.on_message = self._received
        # without it paho writes on the thread that publishes, unguarded against the one that loops
        client.on_socket_register_write = _leave_writing_to_the_loop
        return client

    def _dial(self, client: paho.Client) -> None:
        settings = self._settings
        if settings.tls:
            self._context = self._identity.context()
            client.tls_set_context(self._context)
        if self._level != paho.MQTTv5:
            client.connect(settings.host, settings.port, settings.keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize, properties.ReceiveMaximum = MAX_PACKET_BYTES, RECEIVE_MAXIMUM
        if self._party.keeps_session:
            properties.SessionExpiryInterval = settings.session_expiry_s
        client.connect(
            settings.host,
            settings.port,
            settings.keepalive_s,
            clean_start=not self._party.keeps_session,
            properties=properties,
        )

    def _properties(self, publication: Publication, packet: int) -> Properties | None:
        if self._level != paho.MQTTv5:
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1  # UTF-8
        properties.ContentType = publication.content_type
        if publication.expiry_s is not None:
            properties.MessageExpiryInterval = publication.expiry_s
        if publication.correlation:
            properties.CorrelationData = publication.correlation
        if publication.attributes:
            properties.UserProperty = list(publication.attributes)
        if packet == PacketTypes.WILLMESSAGE:
            properties.WillDelayInterval = self._settings.will_delay_s
        return properties

    # What paho calls. Its majors pass different things: 1.6 gives plain numbers on 3.1.1 and no reason to
    # `_published`; 2 puts flags before the reason in `_ended`.

    def _answered(self, _client: object, _userdata: object, _flags: object, reason: Any, *_: object) -> None:
        if (code := code_of(reason)) != 0:
            self._refused, self._why = code, words_of(reason, paho.connack_string)
            return
        if self._party.subscription is not None:
            self._main = self._client.subscribe(self._party.subscription, qos=1)[1]
        if self._party.commands:
            self._client.subscribe(self._party.commands, qos=1)
        self._up, self._up_at = True, time.monotonic()
        self._on_up(self)

    def _ended(self, _client: object, _userdata: object, *rest: Any) -> None:
        flags, reason = rest[:2] if len(rest) == 3 else (None, rest[0])  # noqa: PLR2004
        by_broker = flags.is_disconnect_packet_from_server if flags else not isinstance(reason, int)
        if by_broker:
            self._why = self._why or f"the broker ended it: {reason}"
        elif code_of(reason) in _NO_PONG:  # the rest of paho's own words tells nothing
            self._why = self._why or "it no longer answers"

    def _published(self, _client: object, _userdata: object, number: int, *rest: Any) -> None:
        refused = bool(rest) and code_of(rest[0]) >= _REFUSED
        with self._state:
            self._acknowledged[number] = str(rest[0]) if refused else ""
            self._state.notify_all()

    def _subscribed(self, _client: object, _userdata: object, number: int, codes: Any, *_: object) -> None:
        if number == self._main and any(code_of(code) >= _REFUSED for code in codes):
            self._why = (
                f"the broker refuses the subscription to {self._party.subscription}; see its topic rules"
            )
            self._hang_up()

    def _received(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        root = self._party.commands[:-1]
        if self._on_command is not None and root and message.topic.startswith(root):
            self._on_command(asked_of(message, root))
        elif not self._on_message(message.topic, body_of(message), message.retain):
            # paho 1.6 acknowledges whatever comes back from here; only a dead socket keeps it from doing so
            self._why = "what came could not be written down; is the disk full? edgetender check says so"
            self._hang_up()

    def _hang_up(self) -> None:
        """End it without a word, from any thread: both directions are dead at once, the loop finds out."""
        connected = self._client.socket()
        if isinstance(connected, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(
                    connected, socket.SHUT_RDWR
                )  # TLS's own would pull the rug from the loop

    def _clear(self, client: paho.Client) -> None:
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_subscribe = client.on_message = None
        connected = client.socket()
        if connected is not None:
            connected.close()
        with self._state:
            self._over = True
            self._state.notify_all()


def _leave_writing_to_the_loop(*_: object) -> None:
    """paho wakes the loop by itself."""
