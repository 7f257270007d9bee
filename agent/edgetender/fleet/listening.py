"""Who hears what all devices of a broker say?"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

from edgetender.errors import LinkDown
from edgetender.fleet.devices import SUBSCRIPTION, Fleet
from edgetender.transports.mqtt_connection import Connection
from edgetender.transports.publication import Party
from edgetender.transports.refusals import ProtocolRefused
from edgetender.transports.settings import MqttSettings

_AGAIN_S = 5.0
_LEAVE_S = 2.0  # a connection that still tries ends with the process


class Listener:
    """Keeps a connection to the broker, within a `with` block. What goes wrong is given to *say*, from its thread."""

    def __init__(self, settings: MqttSettings, fleet: Fleet, say: Callable[[str], None]) -> None:
        self._settings, self._fleet, self._say = settings, fleet, say
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._level = 4 if settings.protocol == "3.1.1" else 5
        self._thread = threading.Thread(target=self._work, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._connection is not None:
            self._connection.leave(None, timeout_s=0.0)
        self._thread.join(_LEAVE_S)

    @property
    def works(self) -> bool:
        """False once it ended by a fault of its own."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except ProtocolRefused as error:
                if self._settings.protocol == "auto" and self._level != 4:  # noqa: PLR2004  MQTT 3.1.1
                    self._level = 4
                    continue
                self._say(str(error))
            except LinkDown as error:
                self._say(str(error))
            self._fleet.connected = False
            self._stopping.wait(_AGAIN_S)

    def _listen(self) -> None:
        party = Party(f"edgetender-fleet-{uuid.uuid4().hex[:12]}", SUBSCRIPTION, keeps_session=False)
        Connection(
            self._settings,
            self._level,
            party,
            on_up=self._is_up,
            on_message=lambda topic, body, _kept: self._fleet.take(topic, body),
        ).run()

    def _is_up(self, connection: Connection) -> None:
        self._connection = connection
        self._fleet.connected = True
