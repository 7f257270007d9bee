"""What can be configured on a device: every key, its default, and what it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any

from edgetender.config import ADMIN_SOCKET, DIRECTORY, values
from edgetender.config.lines import dotted

DEFAULT = "default"

Text = Annotated[str, values.text]
Flag = Annotated[bool, values.flag]
Place = Annotated[Path, values.path]
MaybePlace = Annotated[Path | None, values.path]
Engine = Annotated[
    str,
    values.matching(r"unix:///.+|tcp://.+|https?://.+", "engine address like unix:///var/run/docker.sock"),
]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the container engine answers, and how long a cycle waits when nothing wakes it."""

    socket: Engine = "unix:///var/run/docker.sock"
    interval_s: Annotated[float, values.seconds(0.1, 3600)] = 30.0


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """The upstream link. Which keys count depends on *kind*."""

    kind: Annotated[str, values.one_of("mqtt", "folder", "none")] = "none"
    host: Text = ""
    port: Annotated[int, values.whole(1, 65535)] = 8883
    tls: Flag = True
    ca: MaybePlace = None
    certificate: MaybePlace = None
    key: MaybePlace = None
    username: Text = ""
    password_credential: Text = ""  # the name of a credential, never its value
    protocol: Annotated[str, values.one_of("auto", "5", "3.1.1")] = "auto"
    keepalive_s: Annotated[int, values.whole(1, 65535)] = 30
    will_delay_s: Annotated[int, values.whole(0, 86400)] = 30
    path: MaybePlace = None


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How to reach one registry; keyed by host[:port]."""

    ca: MaybePlace = None
    plain_http: Flag = False


@dataclass(frozen=True, slots=True)
class CredentialsSettings:
    directory: Place = DIRECTORY / "credentials"


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The admin socket and its group; *listen* is the read-only loopback listener, "" for none."""

    socket: Annotated[Path, values.socket_path] = ADMIN_SOCKET
    listen: Annotated[str, values.loopback] = "127.0.0.1:8787"
    group: Text = "edgetender"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    interval_s: Annotated[float, values.seconds(0.1)] = 60.0


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How many images at once, and after how long without a byte a pull counts as stalled."""

    concurrent: Annotated[int, values.whole(1, 16)] = 2
    stall_timeout_s: Annotated[float, values.seconds(1)] = 60.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: Annotated[str, values.one_of("DEBUG", "INFO", "WARNING", "ERROR")] = "INFO"
    format: Annotated[str, values.one_of("text", "json")] = "text"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured. *origins* says where each value that is not a default was written."""

    device: Annotated[str, values.matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "device name")] = field(
        default_factory=gethostname
    )
    state_dir: Place = Path("/var/lib/edgetender")
    engine: EngineSettings = field(default_factory=EngineSettings)
    transport: TransportSettings = field(default_factory=TransportSettings)
    registries: Mapping[str, RegistrySettings] = field(default_factory=dict)
    credentials: CredentialsSettings = field(default_factory=CredentialsSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    pull: PullSettings = field(default_factory=PullSettings)
    log: LogSettings = field(default_factory=LogSettings)
    labels: Mapping[str, Text] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)

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
