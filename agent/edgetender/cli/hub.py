"""`edgetender hub`: an Azure IoT Hub to try things with, on this machine."""

from __future__ import annotations

import re
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.output import Exit, Session, options, say, table
from edgetender.signals import stop_by

if TYPE_CHECKING:
    from edgetender.fleet.hub.enrolling import Wanted

_NAME = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_:.-]{0,127}(/[A-Za-z0-9_$:.-]{1,128})?")


@click.command()
@options
@click.option(
    "--device", "devices", multiple=True, metavar="NAME",
    help="A device, or a module of one like 'cam7/$edgeAgent'; like the next three it may be given several times.",
)  # fmt: skip
@click.option(
    "--x509", multiple=True, metavar="NAME", help="A device with a certificate, which is made here."
)
@click.option(
    "--enroll", multiple=True, metavar="NAME", help="A device that asks which hub is its own, by its key."
)
@click.option(
    "--enroll-x509", multiple=True, metavar="NAME", help="The same, by a certificate, which is made here."
)
@click.option("--enroll-group", is_flag=True, help="The same, any name, by the key of their group.")
@click.option(
    "--listen", default="127.0.0.2", show_default=True, metavar="ADDRESS",
    help="Where devices connect, always to port 8883: their SDK knows no other.",
)  # fmt: skip
@click.option(
    "--admin", default="127.0.0.1:8089", show_default=True, metavar="ADDRESS:PORT",
    help="Where you ask it, over HTTP without a password: a loopback address.",
)  # fmt: skip
@click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), default=Path("hub"), show_default=True,
    help="Where its authority and the devices' keys are kept.",
)  # fmt: skip
@click.pass_obj
def hub(
    session: Session,
    devices: tuple[str, ...],
    x509: tuple[str, ...],
    enroll: tuple[str, ...],
    enroll_x509: tuple[str, ...],
    enroll_group: bool,
    listen: str,
    admin: str,
    directory: Path,
) -> Exit:
    """Stand in for an Azure IoT Hub, until it is ended: twins, methods and messages, without a cloud.

    Prints what each device needs: a connection string, a certificate, or whom to ask which hub is its own (the
    Device Provisioning Service). Keys are kept in --directory; twins and messages are forgotten.
    """
    from edgetender.fleet.hub.admin import server
    from edgetender.fleet.hub.authority import HubAuthority
    from edgetender.fleet.hub.enrolling import Wanted, enrol
    from edgetender.fleet.hub.hub import PORT, LocalHub

    wanted = Wanted(devices, x509, enroll, enroll_x509, enroll_group)
    _check(wanted)
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
            said = enrol(made, authority, wanted, directory)
            threading.Thread(target=answering.serve_forever, name="admin", daemon=True).start()
            ca, asked_at = authority.certificate.absolute(), f"http://{host}:{answering.server_port}"
            ended = _ending()
            _tell(session, said, ca, asked_at)
            ended.wait()
            answering.shutdown()
    except (OSError, OverflowError, ValueError, ssl.SSLError) as error:
        say(f"cannot start a hub at {listen}:{PORT}, asked at {admin}: {error}")
        return Exit.FAILED
    return Exit.OK


def _check(wanted: Wanted) -> None:
    if not wanted.named and not wanted.group:
        raise click.UsageError("nobody may connect: name a --device, or see --help for the other ways in")
    for name in {*wanted.named}:
        if not _NAME.fullmatch(name) or ("/" in name and name not in wanted.devices):
            raise click.UsageError(f"{name!r} is no name of a device: letters, digits and - . _ : make one")
        if wanted.named.count(name) > 1:
            raise click.UsageError(f"{name!r} is named twice: a device has one way in")


def _tell(session: Session, said: dict[str, Any], ca: Path, admin: str) -> None:
    if session.for_people:
        rows = [("ca", str(ca)), ("admin", admin), *said["devices"].items()]
        for name, pair in said.get("certificates", {}).items():
            rows += [(f"{name} certificate", pair["certificate"]), (f"{name} key", pair["key"])]
        if service := said.get("provisioning"):
            rows += [("provisioning_host", service["host"]), ("id_scope", service["idScope"])]
            rows += [(f"{name} enrolment", key) for name, key in service["enrollments"].items()]
            rows += [("group enrolment", service["groupKey"])] if "groupKey" in service else []
        session.print_lines(table(rows))
    else:
        document = {"apiVersion": "edgetender/v1", "kind": "Hub", "ca": str(ca), "admin": admin}
        session.print_document(document | said)
    sys.stdout.flush()  # into a pipe, too


def _ending() -> threading.Event:
    """Set by SIGTERM or SIGINT from now on: who reads what is told next may end us at once."""
    stopping = threading.Event()
    stop_by((signal.SIGTERM, signal.SIGINT), stopping.set)
    return stopping
