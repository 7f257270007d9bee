"""`edgetender push`: a manifest becomes the desired state of a device somewhere else."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn, assert_never
from urllib.parse import urlsplit

import click

from edgetender.codec import canonical
from edgetender.documents import Document, load_document
from edgetender.errors import AgentError, ManifestInvalid, NotFound
from edgetender.fleet.push import DeviceLink, Outcome, Report
from edgetender.model.quantity import parse_duration
from edgetender.model.reading import manifest_of
from edgetender.secret import Secret
from edgetender.transports.settings import MqttSettings

_FAILED, _NOT_FOUND, _INVALID, _TIMED_OUT, _ROLLED_BACK = 1, 4, 6, 9, 10
_PASSWORD = "EDGETENDER_BROKER_PASSWORD"  # noqa: S105  # where it comes from, not what it is
_DEVICE = re.compile(r"device:([A-Za-z0-9][A-Za-z0-9._-]{0,127})")


def _device(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if (match := _DEVICE.fullmatch(value)) is None:
        raise click.BadParameter(f"{value!r} names no device; write it like device:line3-cam7")
    return match[1]


def _duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--to", "device", required=True, callback=_device, help="device:NAME")
@click.option("--broker", required=True, help="mqtts://HOST[:PORT], or mqtt:// for one without TLS")
@click.option("--ca", type=_FILE, help="the broker's CA certificates; else the system's")
@click.option("--certificate", type=_FILE, help="your client certificate")
@click.option("--key", type=_FILE, help="its key")
@click.option("--username", help=f"the password comes from {_PASSWORD}")
@click.option("--follow", is_flag=True, help="wait for the device's verdict")
@click.option("--timeout", "timeout_s", default="120s", show_default=True, callback=_duration)
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table")
def push(  # noqa: PLR0917  one parameter per option
    file: Path,
    device: str,
    broker: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    username: str | None,
    follow: bool,
    timeout_s: float,
    output: str,
) -> None:
    """Check the manifest FILE (JSON or YAML, - for stdin) and make it the device's desired state.

    It is kept by the broker, so a device that is away gets it when it comes back. With --follow the exit
    code is the device's verdict: 0 running, 1 refused, 6 invalid, 9 none in time, 10 rolled back.
    """
    settings = _settings(broker, ca, certificate, key, username)
    document = _valid(file)
    _push(settings, device, document.value, output, timeout_s=timeout_s, follow=follow)


def _settings(
    broker: str, ca: Path | None, certificate: Path | None, key: Path | None, username: str | None
) -> MqttSettings:
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
    password = os.environ.get(_PASSWORD)
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


def _valid(file: Path) -> Document:
    """Return the document if the device would understand it; end with every fault and its line if not."""
    document = None
    try:
        document = load_document(sys.stdin.buffer.read(), "-") if str(file) == "-" else load_document(file)
        manifest_of(document.value)
    except NotFound as error:
        _end(_NOT_FOUND, str(error))
    except ManifestInvalid as error:
        for problem in error.problems:
            position = document.position_of(problem.path) if document else None
            where = ":".join(str(part) for part in (file, *(position or ())))
            _say(f"{where}: {problem} [{problem.code}]")
        _end(
            _INVALID, f"not pushed: {len(error.problems)} {'fault' if len(error.problems) == 1 else 'faults'}"
        )
    return document


def _push(
    settings: MqttSettings, device: str, manifest: Any, output: str, *, timeout_s: float, follow: bool
) -> None:
    version = manifest["version"]
    last: Report | None = None
    show = click.echo if output == "table" else _say
    try:
        with DeviceLink(settings, device, listens=follow) as link:
            link.push(canonical(manifest), timeout_s=timeout_s)
            show(f"{device}  {manifest['deployment']} version {version} pushed")
            for report in link.reports(version, timeout_s=timeout_s) if follow else ():
                if (line := _line(report)) != (_line(last) if last else None):
                    show(f"{device}  {line}")
                last = report
    except AgentError as error:
        _end(_FAILED, str(error))
    if output == "json":
        click.echo(json.dumps(_answer(device, version, last), indent=2))
    if follow:
        _end_with_the_verdict(last, device, timeout_s)


def _end_with_the_verdict(last: Report | None, device: str, timeout_s: float) -> None:
    if last is None or last.outcome is Outcome.APPLYING:
        _end(_TIMED_OUT, f"no verdict from {device} within {timeout_s:g} s; it gets the manifest when it can")
    for problem in last.problems:
        _say(str(problem))
    match last.outcome:
        case Outcome.RUNNING:
            return
        case Outcome.INVALID:
            sys.exit(_INVALID)
        case Outcome.ROLLED_BACK:
            sys.exit(_ROLLED_BACK)
        case Outcome.REFUSED:
            sys.exit(_FAILED)
        case _:
            assert_never(last.outcome)


def _line(report: Report) -> str:
    states = ", ".join(f"{name} {state}" for name, state in sorted(report.modules.items()))
    return (
        f"version {report.version} {report.outcome}: {report.description}{f' ({states})' if states else ''}"
    )


def _answer(device: str, version: int, last: Report | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"apiVersion": "edgetender/v1", "kind": "Push", "device": device}
    answer |= {"version": version, "outcome": "pushed"}
    if last is not None:
        problems = [{"path": one.path, "code": one.code, "message": one.message} for one in last.problems]
        answer |= {"outcome": last.outcome.value, "code": last.code, "description": last.description}
        answer |= {"problems": problems, "modules": last.modules}
    return answer


def _say(text: str) -> None:
    click.echo(text, err=True)


def _end(code: int, text: str) -> NoReturn:
    _say(text)
    sys.exit(code)
