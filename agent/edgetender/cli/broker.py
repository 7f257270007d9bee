"""Which options name a broker and who we are to it? The same for every command that speaks with devices elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import click

from edgetender.secret import Secret
from edgetender.transports.settings import MqttSettings

PASSWORD = "EDGETENDER_BROKER_PASSWORD"  # noqa: S105  # where it comes from, not what it is
_FILE = click.Path(path_type=Path)
Broker = MqttSettings
Command = TypeVar("Command", bound=Callable[..., Any])


def broker_options(command: Command) -> Command:
    """Give *command* --broker and what goes with it, or EDGETENDER_BROKER… instead; it gets the settings, or None."""
    named = {
        "broker": (None, "Where it is: mqtts://HOST[:PORT], or mqtt:// for one without TLS."),
        "ca": (_FILE, "The broker's CA certificates; else the system's."),
        "certificate": (_FILE, "Your client certificate."),
        "key": (_FILE, "Its key."),
        "username": (None, f"The password comes from {PASSWORD}."),
    }

    @wraps(command)
    def with_settings(
        *given: Any,
        broker: str | None,
        ca: Path | None,
        certificate: Path | None,
        key: Path | None,
        username: str | None,
        **more: Any,
    ) -> Any:
        settings = None if broker is None else broker_settings(broker, ca, certificate, key, username)
        return command(*given, broker=settings, **more)

    offered: Callable[..., Any] = with_settings
    for name, (kind, text) in reversed(named.items()):
        variable = "EDGETENDER_BROKER" if name == "broker" else f"EDGETENDER_BROKER_{name.upper()}"
        offered = click.option(f"--{name}", type=kind, help=text, envvar=variable, show_envvar=True)(offered)
    return cast(Command, offered)


def duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Seconds of an option such as 90s."""
    from edgetender.model.quantity import parse_duration

    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def broker_settings(
    broker: str, ca: Path | None, certificate: Path | None, key: Path | None, username: str | None
) -> MqttSettings:
    """How to reach the broker that people wrote as a URL; the password comes from the environment."""
    url = urlsplit(broker)
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise click.BadParameter(f"{broker!r}: {error}", param_hint="--broker") from error
    if url.scheme not in {"mqtt", "mqtts"} or not host or "@" in url.netloc or url.path.strip("/"):
        raise click.BadParameter(
            "write it like mqtts://broker.example:8883, user and password apart", param_hint="--broker"
        )
    tls = url.scheme == "mqtts"
    password = os.environ.get(PASSWORD)
    return MqttSettings(
        host,
        port or (8883 if tls else 1883),
        ca,
        certificate,
        key,
        username=username,
        password=Secret(password) if password else None,
        tls=tls,
    )
