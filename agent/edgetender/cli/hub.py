"""`edgetender hub`: an Azure IoT Hub to try things with, on this machine."""

from __future__ import annotations

import json
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgetender.cli.output import Exit, Session, options, say, table

if TYPE_CHECKING:
    from edgetender.fleet.hub.hub import LocalHub


@click.command()
@options
@click.option(
    "--device", "devices", multiple=True, required=True, metavar="NAME",
    help="a device, or a module of one like 'cam7/$edgeAgent'; may be given several times",
)  # fmt: skip
@click.option(
    "--listen", default="127.0.0.2", show_default=True, metavar="ADDRESS",
    help="where devices connect, always to port 8883: their SDK knows no other",
)  # fmt: skip
@click.option(
    "--admin", default="127.0.0.1:8089", show_default=True, metavar="ADDRESS:PORT",
    help="where you ask it, over HTTP without a password: a loopback address",
)  # fmt: skip
@click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), default=Path("hub"), show_default=True,
    help="where its authority and the devices' keys are kept",
)  # fmt: skip
@click.pass_obj
def hub(session: Session, devices: tuple[str, ...], listen: str, admin: str, directory: Path) -> Exit:
    """Stand in for an Azure IoT Hub, until it is ended: twins, methods and messages, without a cloud.

    Prints each device's connection string. Keys are kept in --directory; twins and messages are forgotten.
    """
    from edgetender.fleet.hub.admin import server
    from edgetender.fleet.hub.authority import HubAuthority
    from edgetender.fleet.hub.hub import PORT, LocalHub

    host, _, port = admin.rpartition(":")
    if not port.isdigit() or not host.startswith(("127.", "localhost", "[::1]")):
        raise click.BadParameter(
            f"{admin!r} is no loopback address like 127.0.0.1:8089", param_hint="--admin"
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = HubAuthority(directory)
        made = LocalHub(listen, authority.server(listen))
        with made, server(made, host.strip("[]"), int(port)) as answering:
            strings = _registered(made, devices, directory / "devices.json")
            threading.Thread(target=answering.serve_forever, name="admin", daemon=True).start()
            ca, asked_at = authority.certificate.absolute(), f"http://{host}:{answering.server_port}"
            ended = _ending()
            _tell(session, strings, ca, asked_at)
            ended.wait()
            answering.shutdown()
    except (OSError, OverflowError, ValueError, ssl.SSLError) as error:
        say(f"cannot start a hub at {listen}:{PORT}, asked at {admin}: {error}")
        return Exit.FAILED
    return Exit.OK


def _registered(made: LocalHub, devices: tuple[str, ...], file: Path) -> dict[str, str]:
    """Each device's connection string; its keys are those of the time before."""
    from edgetender.fleet.hub.authority import private_file

    kept = json.loads(file.read_text()) if file.exists() else {}
    for name in devices:
        identity = made.register(name, keys=tuple(kept[name]) if name in kept else None)
        kept[name] = identity.keys
    private_file(file, json.dumps(kept, indent=2).encode())
    return {name: made.connection_string(name) for name in devices}


def _tell(session: Session, strings: dict[str, str], ca: Path, admin: str) -> None:
    if session.for_people:
        rows = [("ca", str(ca)), ("admin", admin), *strings.items()]
        session.print_lines(table(rows))
    else:
        document = {"apiVersion": "edgetender/v1", "kind": "Hub", "ca": str(ca), "admin": admin}
        session.print_document(document | {"devices": strings})
    sys.stdout.flush()  # into a pipe, too


def _ending() -> threading.Event:
    """Set by SIGTERM or SIGINT from now on: who reads what is told next may end us at once."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
