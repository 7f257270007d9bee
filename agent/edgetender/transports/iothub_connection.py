"""One connection to an IoT Hub by the SDK, from its first byte to its last: every call of it is bounded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.iot.device import (  # type: ignore[import-not-found]  # installed apart
    X509,
    IoTHubDeviceClient,
    IoTHubModuleClient,
    Message,
    MethodResponse,
    ProvisioningDeviceClient,
    ProxyOptions,
)
from azure.iot.device.exceptions import CredentialError  # type: ignore[import-not-found]

from edgetender.errors import LinkDown
from edgetender.transports.settings import IotHubSettings, group_member_key
from edgetender.transports.tls import Identity

# it tells in its log, with tracebacks, what it also raises and what we tell once with the reason
logging.getLogger("azure.iot.device").setLevel(logging.CRITICAL)

GOODBYE_S = 2.0
SHORT_S = 5.0  # a connection lost sooner than that was probably ended on purpose
_RENEWAL_S = 120.0  # so long before a token's end the SDK connects anew by itself
_RENEWED_S = 15.0  # and is back within this
T = TypeVar("T")
Answer = tuple[int, Any]


class HubConnection:
    """Threads: *on_news* (a desired patch, a message, the end) and *on_method* are called on the SDK's threads;
    the methods may be called from any. The SDK's own retrying is off: it gives up for good where the hub refuses
    once, and forgets about jitter.
    """

    def __init__(
        self,
        settings: IotHubSettings,
        *,
        on_news: Callable[[], None],
        on_method: Callable[[str, Any], Answer] | None = None,
    ) -> None:
        self._settings, self._on_news, self._on_method = settings, on_news, on_method
        self._over = threading.Event()
        self._why = ""
        self.refused = False  # the hub does not know us, or no more
        self._up_at = 0.0
        self._identity = Identity(
            settings.ca, settings.certificate, settings.key
        )  # before the SDK reads them
        try:
            self._client = _client(settings)
        except Exception as error:  # it has its own kind for each of its parts
            why = spelled(error)
            raise LinkDown(f"cannot use what identifies this device at the hub: {why}") from error

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def end_if_renewed(self) -> None:
        """End it where other files than those it was made with identify this device now, and can be used."""
        if self._settings.certificate is not None and self._identity.renewed():
            self.end("its certificate was renewed; it connects anew with it")

    def connect(self) -> None:
        """Return once the hub has taken us and tells us of patches, methods and messages. Raises LinkDown."""
        client = self._client
        client.on_background_exception = self._remember
        client.on_connection_state_change = self._changed
        self._call("connect", client.connect, self._settings.answer_s)
        self._up_at = time.monotonic()
        self._call("listen", self._listen, self._settings.answer_s)

    def _listen(self) -> None:
        client = self._client
        client.on_twin_desired_properties_patch_received = lambda _patch: self._on_news()
        if self._on_method is not None:
            client.on_method_request_received = self._asked
        if not self._settings.module:
            client.on_message_received = lambda _message: self._on_news()

    def twin(self) -> dict[str, Any]:
        """Desired and reported properties, each with its `$version`. Raises LinkDown."""
        twin: dict[str, Any] = self._call("read the twin", self._client.get_twin, self._settings.answer_s)
        return twin

    def report(self, patch: Mapping[str, Any], timeout_s: float) -> None:
        """Return once the hub has merged *patch* into the reported properties. Raises LinkDown."""
        self._call(
            "write the twin", lambda: self._client.patch_twin_reported_properties(dict(patch)), timeout_s
        )

    def send(self, body: bytes, properties: Mapping[str, str], message_id: str, timeout_s: float) -> None:
        """Return once the hub has the message. Raises LinkDown."""
        message = Message(body, message_id, "utf-8", "application/json")
        message.custom_properties.update(properties)
        self._call("send a message", lambda: self._client.send_message(message), timeout_s)

    def why(self) -> str:
        """Why it is over, in one line."""
        twin = "is there another device of this name?" if time.monotonic() - self._up_at < SHORT_S else ""
        return self._why or "the connection was lost" + (f"; {twin}" if twin else "")

    def end(self, why: str = "") -> None:
        """Make every call that waits raise, and `over` true; it may be called again."""
        self._why = self._why or why
        if not self._over.is_set():
            self._over.set()
            self._on_news()

    def close(self) -> None:
        """Say goodbye and stop its threads, within GOODBYE_S; what hangs longer is left to itself."""
        self.end()
        done = threading.Event()

        def leave() -> None:
            with suppress(Exception):
                self._client.shutdown()
            done.set()

        threading.Thread(target=leave, name="iothub-goodbye", daemon=True).start()
        done.wait(GOODBYE_S)

    def _call(self, what: str, work: Callable[[], T], timeout_s: float) -> T:
        """Run *work* on a thread of its own: the SDK waits without end for answers that never come."""
        outcome: list[T] = []
        failure: list[BaseException] = []
        settled = threading.Condition()

        def run() -> None:
            try:
                outcome.append(work())
            except Exception as error:  # noqa: BLE001  # it is passed on, to the thread that waits
                failure.append(error)
            with settled:
                settled.notify_all()

        if self.over:
            raise LinkDown(f"cannot {what}: {self.why()}")
        threading.Thread(target=run, name="iothub-call", daemon=True).start()
        deadline = time.monotonic() + timeout_s
        with settled:
            while (
                not outcome and not failure and not self.over and (left_s := deadline - time.monotonic()) > 0
            ):
                settled.wait(min(left_s, 0.1))  # the end of the connection notifies nobody here
        if outcome:
            return outcome[0]
        if failure:
            self.refused = self.refused or is_refused(failure[0])
            raise LinkDown(f"cannot {what}: {spelled(failure[0])}") from failure[0]
        if not self.over:
            self.end(f"no answer within {timeout_s:g} s to: {what}")
        raise LinkDown(f"cannot {what}: {self.why()}")

    def _asked(self, request: Any) -> None:
        """Answer a direct method; on a thread of its own, the SDK's is for all of them."""

        def answer() -> None:
            try:
                status, payload = (
                    self._on_method(request.name, request.payload) if self._on_method else (501, {})
                )
            except Exception as error:
                logging.getLogger(__name__).exception("method failed")
                status, payload = 500, {"message": f"{type(error).__name__}: {error}"}
            response = MethodResponse.create_from_method_request(request, status, payload)
            with suppress(LinkDown):
                self._call(
                    "answer a method",
                    lambda: self._client.send_method_response(response),
                    self._settings.answer_s,
                )

        threading.Thread(target=answer, name="iothub-method", daemon=True).start()

    def _remember(self, error: Exception) -> None:
        said = spelled(error)
        if "Unexpected disconnection" not in said:
            self._why = self._why or said

    def _changed(self) -> None:
        if self._client.connected or not self._up_at:
            return
        if self._is_renewing():
            self._over.wait(_RENEWED_S)
            if self._client.connected:
                return
        self.end()

    def _is_renewing(self) -> bool:
        """Whether the SDK is changing its token just now, which it does by leaving and coming back."""
        left_s = self._up_at + self._settings.token_s - _RENEWAL_S - time.monotonic()
        return self._settings.renews and abs(left_s) < _RENEWED_S


def _client(settings: IotHubSettings) -> Any:
    options: dict[str, Any] = {
        "connection_retry": False,
        "auto_connect": False,
        "ensure_desired_properties": False,
        "keep_alive": settings.keepalive_s,
        "websockets": settings.websockets,
        "product_info": "edgetender",
    }
    if settings.ca is not None:
        options["server_verification_cert"] = settings.ca.read_text()
    if settings.proxy:
        options["proxy_options"] = _proxy(settings.proxy)
    if settings.gateway:
        options["gateway_hostname"] = settings.gateway
    kind = IoTHubModuleClient if settings.module else IoTHubDeviceClient
    if settings.certificate is not None:
        settings.certificate.open("rb").close()  # the SDK's own error does not say which file
        x509 = X509(str(settings.certificate), str(settings.key or settings.certificate))
        more = {"module_id": settings.module} if settings.module else {}
        return kind.create_from_x509_certificate(x509, settings.host, settings.device, **more, **options)
    if settings.secret is None:
        raise ValueError("neither a certificate nor a key is configured")
    secret = settings.secret.reveal()
    if secret.startswith("SharedAccessSignature "):
        return kind.create_from_sastoken(secret, **options)
    options.pop("gateway_hostname", None)  # stands in the connection string
    return kind.create_from_connection_string(
        settings.connection_string(), sastoken_ttl=settings.token_s, **options
    )


def provisioning_client(settings: IotHubSettings) -> Any:
    """The SDK's client for the service that *settings* name. Raises whatever it dislikes."""
    options: dict[str, Any] = {"websockets": settings.websockets}
    if settings.ca is not None:
        options["server_verification_cert"] = settings.ca.read_text()
    if settings.proxy:
        options["proxy_options"] = _proxy(settings.proxy)
    who = settings.provisioning_host, settings.registration, settings.id_scope
    if settings.certificate is not None:
        x509 = X509(str(settings.certificate), str(settings.key or settings.certificate))
        return ProvisioningDeviceClient.create_from_x509_certificate(*who, x509, **options)
    if settings.secret is None:
        raise ValueError("neither a certificate nor a key is configured")
    key = settings.secret.reveal().strip()
    key = group_member_key(key, settings.registration) if settings.group else key
    return ProvisioningDeviceClient.create_from_symmetric_key(*who, key, **options)


def is_refused(error: BaseException) -> bool:
    """Whether the far side said no to who we are."""
    return isinstance(error, CredentialError)


def _proxy(address: str) -> Any:
    url = urlsplit(address)
    kinds = {"http": "HTTP", "socks4": "SOCKS4", "socks5": "SOCKS5"}
    if url.scheme not in kinds or not url.hostname:
        raise ValueError(
            f"{url.scheme}://{url.hostname} is no proxy; write it like http://proxy.example:3128"
        )
    default = 8080 if url.scheme == "http" else 1080
    return ProxyOptions(kinds[url.scheme], url.hostname, url.port or default, url.username, url.password)


def spelled(error: BaseException) -> str:
    """The SDK's errors say little themselves; what caused them says the rest."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        text = " ".join(str(current).split()) or type(current).__name__
        if text not in parts:
            parts.append(text)
        current = current.__cause__
    if isinstance(error, CredentialError):
        return "the hub refuses this device's credentials; are they right, is it enabled, is the clock right?"
    return ": ".join(parts)[:500]
