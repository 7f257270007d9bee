"""What is this device configured to do, and which line of which file says so?"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from edgetender.errors import ConfigInvalid, Problem

DIRECTORY = Path("/etc/edgetender")
VARIABLE = "EDGETENDER_CONFIG"
DEFAULT = "default"
_MAX_SOCKET_PATH = 107  # sun_path holds 108 bytes with its end (unix(7))

Check = Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _matching(pattern: str, what: str) -> Check:
    def check(value: Any) -> str:
        if not re.fullmatch(pattern, _text(value)):
            raise ValueError(f"{value!r} is no {what}")
        return str(value)

    return check


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    return check


def _whole(least: int, most: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{value!r} is no whole number from {least} to {most}")
        return value

    return check


def _seconds(least: float, most: float = 86400) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"{value!r} is no number of seconds from {least:g} to {most:g}")
        return float(value)

    return check


def _path(value: Any) -> Path:
    if not _text(value).startswith("/"):
        raise ValueError(f"{value!r} is no absolute path")
    return Path(value)


def _socket_path(value: Any) -> Path:
    if len(os.fsencode(_text(value))) > _MAX_SOCKET_PATH:
        raise ValueError(f"is longer than the {_MAX_SOCKET_PATH} bytes a unix socket's path may have")
    return _path(value)


def _loopback(value: Any) -> str:
    """The read-only listener asks nobody who they are: it stays on this machine."""
    if not _text(value):
        return ""
    host, _, port = value.rpartition(":")
    try:
        here = host == "localhost" or ip_address(host.strip("[]")).is_loopback
        usable = 0 <= int(port) <= 65535  # noqa: PLR2004  TCP's range
    except ValueError:
        here = usable = False
    if not (here and usable):
        raise ValueError(f'{value!r} is no loopback address and port like 127.0.0.1:8787; "" turns it off')
    return str(value)


Text = Annotated[str, _text]
Flag = Annotated[bool, _flag]
Place = Annotated[Path, _path]
MaybePlace = Annotated[Path | None, _path]
Engine = Annotated[str, _matching(r"unix:///.+|tcp://.+|https?://.+", "engine address like unix:///var/run/docker.sock")]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the container engine answers, and how long a cycle waits when nothing wakes it."""

    socket: Engine = "unix:///var/run/docker.sock"
    interval_s: Annotated[float, _seconds(0.1, 3600)] = 30.0


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """The upstream link. Which keys count depends on *kind*."""

    kind: Annotated[str, _one_of("mqtt", "folder", "none")] = "none"
    host: Text = ""
    port: Annotated[int, _whole(1, 65535)] = 8883
    tls: Flag = True
    ca: MaybePlace = None
    certificate: MaybePlace = None
    key: MaybePlace = None
    username: Text = ""
    password_credential: Text = ""  # the name of a credential, never its value
    protocol: Annotated[str, _one_of("auto", "5", "3.1.1")] = "auto"
    keepalive_s: Annotated[int, _whole(1, 65535)] = 30
    will_delay_s: Annotated[int, _whole(0, 86400)] = 30
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

    socket: Annotated[Path, _socket_path] = Path("/run/edgetender/admin.sock")
    listen: Annotated[str, _loopback] = "127.0.0.1:8787"
    group: Text = "edgetender"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    interval_s: Annotated[float, _seconds(0.1)] = 60.0


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How many images at once, and after how long without a byte a pull counts as stalled."""

    concurrent: Annotated[int, _whole(1, 16)] = 2
    stall_timeout_s: Annotated[float, _seconds(1)] = 60.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: Annotated[str, _one_of("DEBUG", "INFO", "WARNING", "ERROR")] = "INFO"
    format: Annotated[str, _one_of("text", "json")] = "text"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured. *origins* says where each value that is not a default was written."""

    device: Annotated[str, _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "device name")] = field(
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

    def entries(self) -> Iterator[tuple[str, Any, str]]:
        """(key, value, origin) of each value, in the order of the documentation; paths as text."""
        for key, value in _leaves(self, ""):
            yield key, str(value) if isinstance(value, Path) else value, self.origins.get(key, DEFAULT)


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        members = [(one.name, getattr(value, one.name)) for one in fields(value) if one.name != "origins"]
    elif isinstance(value, Mapping):
        members = list(value.items())
    else:
        yield key, value
        return
    for name, member in members:
        yield from _leaves(member, dotted((*key_parts(key), name)))


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read *path*, or $EDGETENDER_CONFIG, or /etc/edgetender/config.toml and conf.d/*.toml (later wins).

    Raises ConfigInvalid with every fault of every file, each with its line.
    """
    chosen = path or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    return read((chosen,)) if chosen else read(installed())
