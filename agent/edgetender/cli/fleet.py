"""`edgetender fleet`: all devices of a broker at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from edgetender.cli.broker import broker_options, broker_settings, duration
from edgetender.cli.output import Exit, Session, Style, options, say, table
from edgetender.cli.words import ago
from edgetender.clock import SystemClock

_HEADS = ("DEVICE", "HEALTH", "VERSION", "AGENT", "SINCE", "MODULES", "")
_MARKS = {
    "healthy": ("●", "[ok]", "green"),
    "waiting": ("◌", "[..]", "yellow"),
    "unknown": ("?", "[??]", "yellow"),
    "offline": ("○", "[--]", "red"),
}
_BAD = ("▲", "[!!]", "red")
_LAST_PORT = 65_535
_QUIET_S = 0.5  # what a broker keeps comes at once; after this long a silence there is no more of it


@click.group()
@options
def fleet() -> None:
    """Look at all devices of a broker at once."""


@fleet.command()
@options
@broker_options()
@click.option(
    "--wait",
    "wait_s",
    default="10s",
    show_default=True,
    callback=duration,
    help="At most, for all to be heard.",
)
@click.option("--exit-code", is_flag=True, help="Exit 7 unless every device is healthy.")
@click.pass_obj
def status(
    session: Session,
    broker: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    username: str | None,
    wait_s: float,
    exit_code: bool,
) -> Exit:
    """Show how all devices are, those to look at first.

    Reads what the broker keeps of them; needs the right to read edgetender/v1/+/+.
    """
    from edgetender.fleet.devices import Fleet
    from edgetender.fleet.listening import Listener
    from edgetender.fleet.overview import overview

    settings = broker_settings(broker, ca, certificate, key, username)
    found = Fleet(SystemClock())
    words: list[str] = []
    with Listener(settings, found, words.append):
        deadline = session.monotonic() + wait_s
        heard = -1
        while session.monotonic() < deadline and not (found.connected and found.heard == heard):
            heard = found.heard if found.connected else -1
            session.pause(_QUIET_S)
        if not found.connected:
            say(words[-1] if words else f"cannot hear {settings.endpoint}: no answer within {wait_s:g} s")
            return Exit.UNREACHABLE
        document = overview(found.devices(), connected=True)
    if session.for_people:
        session.print_lines(fleet_lines(document, session.now(), session.style()))
    else:
        session.print_document(document)
    unwell = any(health != "healthy" for health in document["health"])
    return Exit.DEGRADED if exit_code and unwell else Exit.OK


def fleet_lines(document: Any, now: datetime, style: Style) -> Iterator[str]:
    """The fleet document as a person reads it."""
    devices = document["devices"]
    if not devices:
        yield "no device has said anything here yet"
        return
    counts = ", ".join(f"{count} {health}" for health, count in document["health"].items())
    versions = ", ".join(f"{version} on {count}" for version, count in document["versions"].items())
    yield style.words(f"{len(devices)} devices: {counts}  ·  version {versions}")
    yield ""
    yield from table([_row(one, now, style) for one in devices], _HEADS)


def _row(one: Any, now: datetime, style: Style) -> tuple[str, ...]:
    mark = style.mark(*_MARKS.get(one["health"], _BAD))
    version = "-" if one["version"] is None else str(one["version"])
    wanted = one["desiredVersion"]
    if wanted not in (None, one["version"]):
        version += f" → {wanted} ({one['desiredCode']})"
    states = ", ".join(f"{name} {state}" for name, state in sorted(one["modules"].items()))
    cells = (
        version,
        one["agent"] or "-",
        ago(one["since"], now),
        states or "-",
        one["trouble"].partition("\n")[0],
    )
    return (style.words(one["name"]), f"{mark} {one['health']}", *map(style.words, cells))


@fleet.command()
@broker_options()
@click.option(
    "--listen",
    default="127.0.0.1:9787",
    show_default=True,
    help="Where people look, and Prometheus asks for /metrics.",
)
def serve(
    broker: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    username: str | None,
    listen: str,
) -> Exit:
    """Show the whole fleet as a page, and to Prometheus (/metrics) and scripts (/v1/fleet), until it is ended.

    Listens to what devices report; needs the right to read edgetender/v1/+/+. Read-only.
    """
    from edgetender.fleet.devices import Fleet
    from edgetender.fleet.listening import Listener
    from edgetender.fleet.server import FleetServer

    settings = broker_settings(broker, ca, certificate, key, username)
    host, _, port = listen.rpartition(":")
    if not port.isdigit() or int(port) > _LAST_PORT:
        raise click.BadParameter(
            f"{listen!r} is no address; write it like 127.0.0.1:9787", param_hint="--listen"
        )
    found = Fleet(SystemClock())
    try:
        answering = FleetServer(found, host.strip("[]") or "127.0.0.1", int(port))
    except OSError as error:
        say(f"cannot listen on {listen}: {error.strerror or error}; choose another with --listen")
        return Exit.FAILED
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with answering, Listener(settings, found, say) as listener:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        say(f"the fleet of {settings.endpoint} is at http://{host}:{answering.server_port}/")
        while not stopping.wait(1.0):
            if not listener.works:
                say("the listener ended unexpectedly")
                return Exit.FAILED
        answering.shutdown()
    return Exit.OK


fleet.add_command(serve, "exporter")  # its name before it had a page; what Prometheus's people look for
