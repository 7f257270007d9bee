"""What does the configuration ask for, of transports, collectors and more? Only those are imported."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, cast

from edgetender.clock import Clock
from edgetender.config.settings import Settings
from edgetender.errors import ConfigInvalid, CredentialUnusable, NotFound, Problem
from edgetender.ingest.doors import Doors
from edgetender.ingest.taking import Delayed, Heard, Limits
from edgetender.metrics import Metrics
from edgetender.model.upstream import StreamPolicy, default_policy
from edgetender.model.webhook import Answer
from edgetender.ports import Credentials, Outbox, Sink, Transport
from edgetender.registry.images import RegistrySettings
from edgetender.registry.issuers import Issuers
from edgetender.registry.relay import Relay
from edgetender.registry.short_lived import Kept, ShortLived
from edgetender.secret import Secret
from edgetender.sinks.upstream import UpstreamSink
from edgetender.thinning import Thinned
from edgetender.transports import load
from edgetender.transports.iothub_twin import Artifact
from edgetender.transports.none import NoTransport
from edgetender.transports.settings import FolderSettings, IotHubSettings, MqttSettings

if TYPE_CHECKING:
    from edgetender.sinks.otlp import OtlpExporter
    from edgetender.sinks.webhook import Webhook

_SHORTEST_TOKEN = 16
MAX_KEEPALIVE_S = 1177  # an IoT Hub hangs up after 1.5 times as long, at most 1767 s


class News(Protocol):
    """`wait` returns the turn now, at once if it is not that one any more, or if *nudge*d."""

    def wait(self, turn: int, timeout_s: float) -> int: ...
    def nudge(self) -> None: ...


def policies_of(settings: Settings) -> Callable[[str], StreamPolicy]:
    """How each stream waits: as configured, else as its default."""
    configured = {
        name: StreamPolicy(
            durable=one.kind == "durable",
            priority=one.priority,
            max_bytes=one.max_bytes,
            max_age_s=one.max_age_s,
            expiry_s=one.expiry_s or None,
        )
        for name, one in settings.streams.items()
    }
    return lambda stream: configured.get(stream) or default_policy(stream)


def doors_of(
    settings: Settings, outbox: Outbox, clock: Clock, metrics: Metrics, delayed: Delayed, heard: Heard
) -> Doors:
    """Where modules' messages come in, told to *heard* too, and by *delayed* their wish that an update waits."""
    limits = Limits(settings.messages.per_second, settings.messages.max_bytes)
    return Doors(settings.messages.directory, outbox, clock, limits, metrics.message_refused, delayed, heard)


def upstream_of(settings: Settings, outbox: Outbox, clock: Clock) -> Sink:
    """Where samples go that are for the cloud."""
    sink, wanted = UpstreamSink(outbox), settings.telemetry
    return sink if wanted.report == "all" else Thinned(sink, clock, wanted.heartbeat_s)


def relay_of(settings: Settings) -> Relay | None:
    """What pulls go through where their rate is bounded. Raises ConfigInvalid."""
    if not settings.pull.bytes_per_s:
        return None
    if not settings.engine.socket.startswith("unix://"):
        said = "needs an engine on this machine, at a unix:// address: another cannot fetch through the agent"
        raise ConfigInvalid((Problem("pull.bytes_per_s", "config.value", said),))
    return Relay(registries_of(settings), settings.pull.bytes_per_s)


def registries_of(settings: Settings) -> dict[str, RegistrySettings]:
    """How each registry is reached, by host."""
    return {host: RegistrySettings(one.ca, one.plain_http) for host, one in settings.registries.items()}


def credentials_of(settings: Settings, files: Kept, clock: Clock, *, timeout_s: float = 10) -> Credentials:
    """Those in *files*; what is a registry's for a while only is asked for, *timeout_s* for each answer."""
    return ShortLived(files, Issuers(registries_of(settings), timeout_s=timeout_s), clock)


def transport_of(settings: Settings, credentials: Credentials) -> Transport:
    """Build the configured transport, not opened. Raises CredentialUnusable."""
    chosen = settings.transport
    match chosen.kind:
        case "mqtt":
            password = (
                credentials.get(chosen.password_credential).password if chosen.password_credential else None
            )
            mqtt = MqttSettings(
                host=chosen.host,
                port=chosen.port,
                ca=chosen.ca,
                certificate=chosen.certificate,
                key=chosen.key,
                username=chosen.username or None,
                password=password,
                tls=chosen.tls,
                protocol=cast(Literal["auto", "5", "3.1.1"], chosen.protocol),
                keepalive_s=chosen.keepalive_s,
                will_delay_s=chosen.will_delay_s,
            )
            return cast(Transport, load("mqtt")(mqtt, settings.device))
        case "iothub":
            hub = _iothub(settings, credentials)
            fetch = partial(_artifact, settings, credentials)
            return cast(Transport, load("iothub")(hub, settings.device, artifact=fetch))
        case "folder":
            folder = FolderSettings(chosen.path or settings.state_dir / "exchange")
            return cast(Transport, load("folder")(folder, settings.device))
        case _:
            return NoTransport()


def _artifact(settings: Settings, credentials: Credentials, artifact: Artifact) -> bytes:
    """The manifest that a twin names so. Raises AgentError."""
    from edgetender.registry.artifacts import fetch

    where = artifact.reference
    credential = credentials.get(artifact.credential, where.registry) if artifact.credential else None
    return fetch(where, credential, registries_of(settings))


def page_token_of(settings: Settings, read: Callable[[str], Secret]) -> Callable[[], Secret] | None:
    """How the page's token is read, so that a new one counts at once; None: the page is read-only."""
    name = settings.api.page_credential
    if not name:
        return None

    def token() -> Secret:
        text = read(name).reveal().strip()
        if len(text) < _SHORTEST_TOKEN:
            why = f"its {len(text)} characters are guessed; it needs {_SHORTEST_TOKEN}: openssl rand -hex 16"
            raise CredentialUnusable(f"cannot take the page's token from the credential {name!r}: {why}")
        return Secret(text)

    return token


def labels_of(settings: Settings) -> dict[str, str]:
    """What every metric is labelled with, so that queries and workbooks made for IoT Edge find it; else nothing.

    IoT Edge's names: Azure/iotedge, doc/BuiltInMetrics.md. `instance_number` is another for each run.
    """
    if not settings.telemetry.azure_labels:
        return {}
    about = {"iothub": settings.transport.host, "edge_device": settings.device}
    return about | {"instance_number": str(uuid.uuid4())}


@dataclass(frozen=True, slots=True)
class Outlet:
    """Someone beside the upstream link who is told of this device; *work* is the body of a thread, *close* ends it.

    *answer* is what a webhook answered last.
    """

    name: str
    work: Callable[[], None]
    close: Callable[[], None]
    answer: Callable[[], Answer | None] = lambda: None


def outlets_of(
    settings: Settings,
    credentials: Credentials,
    metrics: Metrics,
    news: News,
    hook: Outbox | None,
    stopping: threading.Event,
) -> list[Outlet]:
    """Those that are configured; a webhook tells what is in *hook*.

    Raises ConfigInvalid, CredentialUnusable, NotFound.
    """
    found = []
    if (exporter := _exporter(settings, credentials, metrics, stopping)) is not None:
        found.append(Outlet("otlp", exporter.work, exporter.close))
    if hook is not None:
        webhook = _webhook(settings, credentials, news, hook, stopping)
        found.append(Outlet("webhook", webhook.work, news.nudge, webhook.answer))
    return found


def _webhook(
    settings: Settings, credentials: Credentials, news: News, queue: Outbox, stopping: threading.Event
) -> Webhook:
    chosen = settings.events
    from edgetender.sinks.webhook import Webhook

    known = credentials.get(chosen.webhook_credential) if chosen.webhook_credential else None
    try:
        return Webhook(chosen.webhook, queue, news.wait, stopping, ca=chosen.webhook_ca, credential=known)
    except OSError as error:
        text = f"{chosen.webhook_ca} cannot be used: {error}"
        raise ConfigInvalid((Problem("events.webhook_ca", "file.unreadable", text),)) from error


def _exporter(
    settings: Settings, credentials: Credentials, metrics: Metrics, stopping: threading.Event
) -> OtlpExporter | None:
    """What sends the metrics to the configured collector; None without one. Raises CredentialUnusable, NotFound."""
    chosen = settings.telemetry
    if not chosen.otlp:
        return None
    try:
        from edgetender.sinks.otlp import OtlpExporter
    except ImportError as error:
        raise NotFound(
            f"cannot export metrics to {chosen.otlp}: {error.name} is not installed; it is an extra: "
            "pip install 'edgetender[otlp]'"
        ) from error
    known = credentials.get(chosen.otlp_credential) if chosen.otlp_credential else None
    return OtlpExporter(
        chosen.otlp,
        metrics,
        settings.device,
        chosen.interval_s,
        stopping,
        ca=chosen.otlp_ca,
        credential=known,
    )


def _iothub(settings: Settings, credentials: Credentials) -> IotHubSettings:
    chosen = settings.transport
    secret = credentials.get(chosen.password_credential).password if chosen.password_credential else None
    return IotHubSettings(
        settings.device,
        host=chosen.host,
        secret=secret,
        certificate=chosen.certificate,
        key=chosen.key,
        ca=chosen.ca,
        module=chosen.module,
        websockets=chosen.websockets,
        proxy=chosen.proxy,
        gateway=chosen.gateway,
        keepalive_s=min(chosen.keepalive_s, MAX_KEEPALIVE_S),
        batch_s=chosen.batch_s,
        compat=cast(Literal["", "iotedge"], chosen.compat),
        id_scope=chosen.id_scope,
        registration=chosen.registration or settings.device,
        provisioning_host=chosen.provisioning_host,
        group=chosen.enrollment == "group" and bool(chosen.id_scope),
        assignment=settings.state_dir / "iothub.json",
    )
