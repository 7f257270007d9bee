"""What can be configured on a device: every key, its default, and what it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any

from edgetender.config import ADMIN_SOCKET, DIRECTORY, READ_ONLY, values
from edgetender.config.fetching import PullSettings
from edgetender.config.ingesting import MessagesSettings
from edgetender.config.lines import dotted
from edgetender.config.telling import EventsSettings, TelemetrySettings
from edgetender.config.updating import UpdateSettings

DEFAULT = "default"

Text = Annotated[str, values.text]
Flag = Annotated[bool, values.flag]
Place = Annotated[Path, values.path]
MaybePlace = Annotated[Path | None, values.path]
Engine = Annotated[
    str,
    values.url(r"unix:///.+|tcp://.+|https?://.+", "engine address like unix:///var/run/docker.sock"),
]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the container engine answers, and how long a cycle waits when nothing wakes it."""

    socket: Annotated[Engine, "the Docker Engine's API"] = "unix:///var/run/docker.sock"
    interval_s: Annotated[
        float, values.seconds(0.1, 3600), "the longest pause between two cycles; events shorten it"
    ] = 30.0


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """The upstream link. Which keys count depends on *kind*."""

    kind: Annotated[
        str, values.one_of("mqtt", "iothub", "folder", "none"), "how manifests come and reports go"
    ] = "none"
    host: Annotated[Text, "mqtt: the broker; iothub: the hub, unless a connection string names it"] = ""
    port: Annotated[int, values.whole(1, 65535), "mqtt: its port"] = 8883
    tls: Annotated[Flag, "mqtt: verified TLS; false is for a broker on the same machine"] = True
    ca: Annotated[MaybePlace, "mqtt, iothub: the far side's authorities (PEM); else the system's"] = None
    certificate: Annotated[MaybePlace, "mqtt, iothub: this device's certificate (PEM)"] = None
    key: Annotated[MaybePlace, "mqtt, iothub: its key (PEM, unencrypted); goes with certificate"] = None
    username: Annotated[Text, "mqtt: for brokers that ask for a name and password"] = ""
    password_credential: Annotated[
        Text,
        "mqtt: the name of the credential with the password; iothub: of that with the connection string, the "
        "symmetric key or a shared access signature",
    ] = ""
    protocol: Annotated[
        str, values.one_of("auto", "5", "3.1.1"), "mqtt: auto speaks 5, and 3.1.1 where 5 is refused"
    ] = "auto"
    keepalive_s: Annotated[
        int, values.whole(1, 65535), "mqtt, iothub: silence after which the link is probed"
    ] = 30
    will_delay_s: Annotated[
        int, values.whole(0, 86400), "mqtt 5: how long the broker waits before it says offline for us"
    ] = 30
    module: Annotated[Text, "iothub: the module of the device to connect as, such as $edgeAgent"] = ""
    websockets: Annotated[Flag, "iothub: WebSocket on port 443 instead of MQTT on 8883"] = False
    proxy: Annotated[Text, "iothub: http://HOST[:PORT], socks4:// or socks5://"] = ""
    gateway: Annotated[Text, "iothub: the gateway to connect to instead of the hub"] = ""
    id_scope: Annotated[Text, "iothub: ask the provisioning service which hub it is; of which instance"] = ""
    registration: Annotated[Text, "iothub: the name there; else the device's"] = ""
    provisioning_host: Annotated[Text, "iothub: the service"] = "global.azure-devices-provisioning.net"
    enrollment: Annotated[
        str, values.one_of("individual", "group"), "iothub: whose key the credential holds, with id_scope"
    ] = "individual"
    commands: Annotated[Flag, "mqtt, iothub: whether what is asked from upstream is answered"] = True
    compat: Annotated[
        str, values.one_of("", "iotedge"), "iothub: iotedge reports in the shape of IoT Edge's agent"
    ] = ""
    batch_s: Annotated[
        float,
        values.seconds(0, 3600),
        "iothub: telemetry may wait so long to share a message of 4 KB, as hubs count",
    ] = 0.0
    path: Annotated[MaybePlace, "folder: the folder; must be given, and is never created"] = None


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How to reach one registry; keyed by host[:port]."""

    ca: Annotated[MaybePlace, "the registry's authorities (PEM), for asking it what a tag names"] = None
    plain_http: Annotated[Flag, "no TLS: for a registry on the same machine"] = False


@dataclass(frozen=True, slots=True)
class CredentialsSettings:
    """Where named secrets are; systemd's credentials ($CREDENTIALS_DIRECTORY) are looked at first."""

    directory: Annotated[Place, "one file per credential, 0600"] = DIRECTORY / "credentials"
    handed: Annotated[Place, "where secrets lie for the modules that are shown them; in memory"] = Path(
        "/run/edgetender/secrets"
    )


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Who decides what runs here. Where a trust root is installed, only what its keys signed does."""

    mode: Annotated[
        str,
        values.one_of("open", "signed"),
        "without a trust root: signed takes no manifest, open takes one from anyone who reaches the device",
    ] = "signed"
    directory: Annotated[Place, "root.json, the trust root; root's own"] = DIRECTORY / "trust"
    policy: Annotated[Place, "what manifests may ask for, whoever signed them; root's own"] = (
        DIRECTORY / "policy.toml"
    )
    groups: Annotated[
        tuple[str, ...],
        values.words,
        "the groups of devices this one is in, as manifests are signed for them",
    ] = ()


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The admin socket and its group; *listen* is the loopback listener of the page, "" for none."""

    socket: Annotated[Path, values.socket_path, "the admin socket, mode 0660"] = ADMIN_SOCKET
    listen: Annotated[str, values.loopback, "the device page, /metrics and /healthz, to be read by all"] = (
        "127.0.0.1:8787"
    )
    page_credential: Annotated[Text, "the token with which the page gives orders; empty: it is read-only"] = (
        ""
    )
    group: Annotated[Text, "whose members may give orders, beside root and the daemon's user"] = "edgetender"
    read_group: Annotated[
        Text,
        "whose members may look, at the socket ro.sock beside the admin socket; empty for no such socket",
    ] = "edgetender-read"

    @property
    def read_socket(self) -> Path | None:
        return self.socket.with_name(READ_ONLY) if self.read_group else None


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """What waits to go up, on the disk in queue.db and queue.spool."""

    max_bytes: Annotated[
        int, values.whole(64 * 1024, 2**40), "all streams together; the least important go first"
    ] = 256 * 1024 * 1024
    per_second: Annotated[
        float, values.number(0, 100_000), "messages at most, after an outage too; 0 for no bound"
    ] = 50.0


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How one stream waits: `event` is that of all events, `device` and `modules` the agent's own telemetry, and
    `"MODULE/STREAM"` what a module sends.

    A durable stream is on the disk before its producer goes on, a standard one within 10 s or 256 KiB.
    """

    kind: Annotated[str, values.one_of("durable", "standard"), "what a power cut may cost"] = "standard"
    priority: Annotated[
        int, values.whole(0, 9), "where room is wanted, the lowest goes first; events have 3"
    ] = 1
    max_bytes: Annotated[int, values.whole(64 * 1024, 2**40), "of this stream alone"] = 128 * 1024 * 1024
    max_age_s: Annotated[float, values.seconds(60, 366 * 86400), "then it is dropped, and counted"] = (
        7 * 86400.0
    )
    expiry_s: Annotated[
        int,
        values.whole(0, 366 * 86400),
        "what the broker is told: after so long nobody needs it; 0 for never",
    ] = 3600


@dataclass(frozen=True, slots=True)
class ChecksSettings:
    """The agent checks its device by itself; `edgetender check` does so at once."""

    interval_s: Annotated[float, values.seconds(60), "between two runs of all checks"] = 3600.0


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """The traffic switch, by which an update drops no request; without an archive updates stop, then start."""

    archive: Annotated[MaybePlace, "the switch's image, made by modules/front; needs a local engine"] = None


@dataclass(frozen=True, slots=True)
class HardwareSettings:
    """Where the hardware is looked for, and what is taken for true whatever is found."""

    root: Annotated[Place, "the directory that stands for /"] = Path("/")
    interval_s: Annotated[float, values.seconds(60), "looked at again, also when nothing shows a change"] = (
        3600.0
    )
    climb_after_s: Annotated[float, values.seconds(1), "so long a better variant must be able to run"] = 300.0
    compat: Annotated[MaybePlace, "compatibility tables newer than this release's own"] = None
    override: Annotated[MaybePlace, "a JSON object of facts by name that win over what is found"] = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The daemon's log, on stderr."""

    level: Annotated[str, values.one_of("DEBUG", "INFO", "WARNING", "ERROR"), "the least that is said"] = (
        "INFO"
    )
    format: Annotated[str, values.one_of("text", "json"), "for people, or one object per line"] = "text"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured. *origins* says where each value that is not a default was written."""

    device: Annotated[
        str,
        values.matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "device name"),
        "the name upstream, and the MQTT client id",
    ] = field(default_factory=gethostname)
    state_dir: Annotated[
        Place, "state.db, queue.db with queue.spool, webhook.db with webhook.spool, and the lock"
    ] = Path("/var/lib/edgetender")
    engine: EngineSettings = field(default_factory=EngineSettings)
    transport: TransportSettings = field(default_factory=TransportSettings)
    registries: Mapping[str, RegistrySettings] = field(default_factory=dict)
    credentials: CredentialsSettings = field(default_factory=CredentialsSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    streams: Mapping[str, StreamSettings] = field(default_factory=dict)
    messages: MessagesSettings = field(default_factory=MessagesSettings)
    checks: ChecksSettings = field(default_factory=ChecksSettings)
    pull: PullSettings = field(default_factory=PullSettings)
    update: UpdateSettings = field(default_factory=UpdateSettings)
    front: FrontSettings = field(default_factory=FrontSettings)
    hardware: HardwareSettings = field(default_factory=HardwareSettings)
    log: LogSettings = field(default_factory=LogSettings)
    labels: Mapping[str, Text] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def received_credentials(self) -> Path:
        """Where passwords are kept that came with a deployment."""
        return self.state_dir / "credentials"

    def entries(self) -> tuple[tuple[str, Any, str], ...]:
        """(key, value, origin) of each value, in the order above; paths as text."""
        return tuple(
            (
                dotted(path),
                str(value) if isinstance(value, Path) else value,
                self.origins.get(dotted(path), DEFAULT),
            )
            for path, value in _leaves(self, ())
        )


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if is_dataclass(value):
        for one in fields(value):
            if one.name != "origins":
                yield from _leaves(getattr(value, one.name), (*path, one.name))
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    else:
        yield path, value
