"""`edgetender fleet`: all devices of a broker, or of a hub, at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from edgetender.cli.broker import Broker, broker_options, duration
from edgetender.cli.fleet_source import heard, hub_option
from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, Style, options, say, table
from edgetender.cli.words import ago
from edgetender.clock import SystemClock
from edgetender.signals import stop_by

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


@click.group(cls=Group)
@options
def fleet() -> None:
    """Look at all devices of a broker or of an Azure IoT Hub at once."""


@fleet.command()
@options
@broker_options
@hub_option
@click.option(
    "--wait",
    "wait_s",
    default="10s",
    show_default=True,
    callback=duration,
    help="At most, for all to be heard.",
)
@click.option("--exit-code", is_flag=True, help="Exit 7 unless every device is healthy.")
@click.option(
    "--group", metavar="NAME", help="Only its devices; the groups are those of `edgetender model deploy`."
)
@click.option("--store", type=click.Path(path_type=Path), help="Where the list of groups is kept.")
@click.pass_obj
def status(
    session: Session,
    broker: Broker | None,
    hub: str | None,
    wait_s: float,
    exit_code: bool,
    group: str | None,
    store: Path | None,
) -> Exit:
    """Show how all devices are, those to look at first.

    Reads what the broker keeps of them; needs the right to read edgetender/v1/+/+. Or what is in the twins of a hub.
    """
    from edgetender.fleet.devices import Fleet
    from edgetender.fleet.overview import overview

    members = _members(group, store)
    found = Fleet(SystemClock())
    words: list[str] = []
    hearing, endpoint = heard(broker, hub, found, words.append)
    with hearing:
        deadline = session.monotonic() + wait_s
        before = -1
        while session.monotonic() < deadline and not (found.connected and found.heard == before):
            before = found.heard if found.connected else -1
            session.pause(_QUIET_S)
        if not found.connected:
            say(words[-1] if words else f"cannot hear {endpoint}: no answer within {wait_s:g} s")
            return Exit.UNREACHABLE
        devices = found.devices()
        document = overview(
            {name: one for name, one in devices.items() if members is None or name in members}, connected=True
        )
    if session.for_people:
        session.print_lines(fleet_lines(document, session.now(), session.style()))
    else:
        session.print_document(document)
    unwell = any(health != "healthy" for health in document["health"])
    return Exit.DEGRADED if exit_code and unwell else Exit.OK


def _members(group: str | None, store: Path | None) -> frozenset[str] | None:
    """The devices of *group*; None for all there are. Raises NotFound."""
    if group is None:
        return None
    from edgetender.packaging.deployment import Deployments
    from edgetender.packaging.layer_store import default_store

    return frozenset(Deployments((store or default_store()) / "deployments").devices(f"group:{group}"))


def fleet_lines(document: Any, now: datetime, style: Style) -> Iterator[str]:
    """The fleet document as a person reads it."""
    devices = document["devices"]
    if not devices:
        yield "no device has said anything here yet"
        return
    counts = ", ".join(f"{count} {health}" for health, count in document["health"].items())
    versions = ", ".join(f"{version} on {count}" for version, count in document["versions"].items())
    many = "device" if len(devices) == 1 else "devices"
    yield style.words(f"{len(devices)} {many}: {counts}  ·  version {versions}")
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
@broker_options
@hub_option
@click.option(
    "--listen",
    default="127.0.0.1:9787",
    show_default=True,
    help="Where people look, and Prometheus asks for /metrics.",
)
def serve(
    broker: Broker | None,
    hub: str | None,
    listen: str,
) -> Exit:
    """Show the whole fleet as a page, and to Prometheus (/metrics) and scripts (/v1/fleet), until it is ended.

    Listens to what devices report; needs the right to read edgetender/v1/+/+. Or asks a hub for its twins, twice a
    minute. Read-only.
    """
    from edgetender.fleet.devices import Fleet
    from edgetender.fleet.server import FleetServer

    host, _, port = listen.rpartition(":")
    if not port.isdigit() or int(port) > _LAST_PORT:
        raise click.BadParameter(
            f"{listen!r} is no address; write it like 127.0.0.1:9787", param_hint="--listen"
        )
    found = Fleet(SystemClock())
    hearing, endpoint = heard(broker, hub, found, say)
    try:
        answering = FleetServer(found, host.strip("[]") or "127.0.0.1", int(port))
    except OSError as error:
        say(f"cannot listen on {listen}: {error.strerror or error}; choose another with --listen")
        return Exit.FAILED
    stopping = threading.Event()
    stop_by((signal.SIGTERM, signal.SIGINT), stopping.set)
    with answering, hearing as listener:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        say(f"the fleet of {endpoint} is at http://{host}:{answering.server_port}/")
        while not stopping.wait(1.0):
            if not listener.works:
                say("the listener ended unexpectedly")
                return Exit.FAILED
        answering.shutdown()
    return Exit.OK


fleet.add_command(serve, "exporter")  # its name before it had a page; what Prometheus's people look for
