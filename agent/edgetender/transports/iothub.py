"""How do manifests and reports travel over an Azure IoT Hub? In the device's twin, telemetry as messages."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgetender.clock import Clock, SystemClock
from edgetender.codec import sha256_hex
from edgetender.errors import AgentError, LinkDown, ManifestInvalid
from edgetender.model.upstream import Batching, Link, Message
from edgetender.ports import Commands
from edgetender.transports.iothub_fetch import fetch
from edgetender.transports.iothub_report import Reports
from edgetender.transports.iothub_twin import Artifact, Reference, manifest_in
from edgetender.transports.keeper import LinkKeeper
from edgetender.transports.refusals import PublicationRefused
from edgetender.transports.settings import IotHubSettings

if TYPE_CHECKING:
    from edgetender.transports.iothub_connection import HubConnection
    from edgetender.transports.iothub_provisioning import Provisioned

log = logging.getLogger(__name__)

LEAVE_S = 3.0
MESSAGE_BYTES = 256 * 1024
METERED_BYTES = 4096  # a hub charges for each begun one of these, properties included
_AROUND_BYTES = 160  # what stands around the body: kind, count, message id, content type and encoding
_IDLE_S = 30.0
_RENEWED_S = 5.0  # so often a certificate's files are looked at
_NO_CLOCK_YET = 2024  # a device without a battery starts in 1970, and every token and certificate fails


class IotHubTransport:
    """The manifest is the desired property `deployment`, or IoT Edge's own; the full twin is read at each
    connect and after each patch. State goes to the reported properties, as differences; messages go to the cloud
    with their topic as the property `kind`; where several samples are one, the body is an array, of `count`.

    Threads: as the Transport port says; the keeper's thread is named `iothub` and reads the twin.
    """

    def __init__(
        self,
        settings: IotHubSettings,
        device: str,
        *,
        clock: Clock | None = None,
        artifact: Callable[[Artifact], bytes] | None = None,
    ) -> None:
        """*artifact* fetches a manifest from a registry, or raises an AgentError."""
        self._settings, self._device = settings.named(), device
        self._clock = clock or SystemClock()
        self._keeper = LinkKeeper(
            "iothub",
            self._settings.endpoint,
            self._attempt,
            clock=self._clock,
            cap_s=settings.reconnect_max_s,
            batching=Batching(METERED_BYTES - _AROUND_BYTES, settings.batch_s),
        )
        self._accept: Callable[[bytes], bool] = lambda _body: False
        self._provisioned: Provisioned | None = None
        self._connection: HubConnection | None = None
        self._changing = threading.Lock()
        self._stirred = threading.Event()  # something is to be looked at: the end, a report, the twin
        self._patched = False
        self._reports = Reports(self._settings.compat, self._settings.quiet_s, self._stirred.set)
        self._commands: Commands | None = None
        self._artifact = artifact
        self._again_at = float("inf")  # when what could not be fetched is tried again
        self._taken = ""  # digest of the manifest that was accepted last

    def answer(self, commands: Commands) -> None:
        """Direct methods are asked of *commands*."""
        self._commands = commands

    def open(self, accept: Callable[[bytes], bool], wake: Callable[[], None]) -> None:
        self._accept = accept
        self._keeper.open(wake)

    def link(self) -> Link:
        return self._keeper.link()

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Return once the hub has it; of state that nobody waits for, once it is kept to be sent soon."""
        connection = self._connection
        if connection is None or not self.link().connected:
            raise LinkDown(f"cannot send {message.topic}: not connected to {self._settings.endpoint}")
        if message.retain:
            self._reports.send(connection, message.topic, json.loads(message.body), timeout_s)
            return
        if len(message.body) > MESSAGE_BYTES:
            refusal = PublicationRefused(
                f"cannot send {message.topic}: {len(message.body)} bytes; a hub takes at most {MESSAGE_BYTES}"
            )
            self._keeper.note(str(refusal))
            raise refusal
        properties = {"kind": message.topic}
        if message.parts > 1:
            properties["count"] = str(message.parts)
        connection.send(message.body, properties, sha256_hex(message.body)[:32], timeout_s)
        if self.link().detail:
            self._keeper.note("")

    def close(self) -> None:
        """End the link, within LEAVE_S or so."""
        self._keeper.closing.set()
        with self._changing:
            connection = self._connection
        if connection is not None:
            connection.end("closed")
        self._keeper.close(LEAVE_S)

    def _attempt(self) -> None:
        year = self._clock.now().year
        if year < _NO_CLOCK_YET:
            raise LinkDown(f"cannot connect to {self._settings.endpoint}: the clock is not set yet ({year})")
        try:
            from edgetender.transports.iothub_connection import HubConnection
            from edgetender.transports.iothub_provisioning import Provisioned
        except ImportError as error:
            what_helps = "its SDK is an extra: pip install 'edgetender[azure]'"
            raise LinkDown(f"cannot connect to an IoT Hub: {error}; {what_helps}") from error

        if self._provisioned is None:
            self._provisioned = Provisioned(self._settings)
        connection = HubConnection(self._provisioned.settings(), on_news=self._look, on_method=self._asked)
        with self._changing:
            if self._keeper.closing.is_set():
                return
            self._connection = connection
        try:
            self._live(connection)
        except LinkDown as error:
            if self._keeper.closing.is_set():
                return
            if connection.refused:
                self._provisioned.forget()
            raise LinkDown(f"cannot keep the link to {self._settings.endpoint}: {error}") from error
        finally:
            self._connection = None
            connection.close()

    def _live(self, connection: HubConnection) -> None:
        """Return when closed. Raises LinkDown when it ended otherwise."""
        connection.connect()
        self._patched = False
        idle_s = _IDLE_S if self._settings.certificate is None else _RENEWED_S
        twin = connection.twin()  # after the subscription: what is patched meanwhile is read again
        self._reports.known(twin.get("reported") or {})
        self._keeper.is_up()
        self._take(twin.get("desired") or {})
        while not connection.over:
            self._stirred.clear()
            connection.end_if_renewed()
            self._reports.flush(connection)
            if self._patched or time.monotonic() >= self._again_at:
                self._patched = False
                self._take(connection.twin().get("desired") or {})
            elif not connection.over:
                again_s = max(0.0, self._again_at - time.monotonic())
                self._stirred.wait(min(idle_s, self._reports.due_s(), again_s))
        if not self._keeper.closing.is_set():
            raise LinkDown(connection.why())

    def _asked(self, name: str, request: Any) -> tuple[int, Any]:
        """Answer a direct method, on a thread of its own."""
        if self._commands is None:
            return 501, {"message": "this device answers no methods"}
        return self._commands(name, request, "iothub method")

    def _found(self, found: bytes | Reference | Artifact | None) -> bytes | None:
        """The manifest's bytes, wherever they lie. Raises what fetching them may raise."""
        match found:
            case Reference():
                return fetch(found, self._settings.ca)
            case Artifact() if self._artifact is not None:
                return self._artifact(found)
            case Artifact():
                raise LinkDown(f"cannot fetch {found.reference}: no registry can be asked here")
        return found

    def _look(self) -> None:
        """There is news at the hub, or of the connection."""
        self._patched = True
        self._stirred.set()

    def _take(self, desired: dict[str, Any]) -> None:
        """Hand the manifest over, once. Raises LinkDown when it could not be written down: it comes again."""
        version, self._again_at = desired.get("$version", 0), float("inf")
        try:
            body = self._found(manifest_in(desired))
        except AgentError as error:
            self._reports.refuse(version, error)
            self._keeper.note(str(error))
            if not isinstance(error, ManifestInvalid):  # a fleet shall not ask in step
                wait_s = random.uniform(0.5, 1.0) * self._settings.fetch_again_s  # noqa: S311
                self._again_at = time.monotonic() + wait_s
            return
        if body is None:
            return
        self._reports.offered(version, body)
        if sha256_hex(body) == self._taken:
            return
        try:
            accepted = self._accept(body)
        except Exception:
            log.exception("manifest not taken")
            accepted = False
        if not accepted:
            raise LinkDown("a manifest could not be taken")
        self._taken = sha256_hex(body)
