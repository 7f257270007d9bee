"""`edgetender push`: a manifest becomes the desired state of a device elsewhere; an image goes to its registry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from edgetender.cli.broker import Broker, broker_options, duration
from edgetender.cli.fleet_source import hub_option, hub_service
from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, options, say, say_problems
from edgetender.codec import canonical
from edgetender.errors import NotFound
from edgetender.fleet.hub_link import Upstream, link_to
from edgetender.fleet.push import Outcome, Report, new_traceparent
from edgetender.model.reading import manifest_of
from edgetender.model.trace import trace_id

_VERDICTS = {
    Outcome.RUNNING: Exit.OK,
    Outcome.REFUSED: Exit.FAILED,
    Outcome.INVALID: Exit.INVALID,
    Outcome.APPLYING: Exit.TIMED_OUT,
    Outcome.ROLLED_BACK: Exit.ROLLED_BACK,
    Outcome.WAITING: Exit.WAITING,
}
_MANIFESTS = {".json", ".yaml", ".yml"}  # where there is no such file, it is a slip, not an image
_TARGET = re.compile(r"(device|group):[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def _targets(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if _TARGET.fullmatch(value) is None:
            example = "write it like device:line3-cam7 or group:line3"
            raise click.BadParameter(f"{value!r} names no device and no group; {example}")
    return values


def _devices(targets: Iterable[str], store: Path | None) -> tuple[str, ...]:
    """Those that *targets* mean, each once. Raises NotFound for a group that is not known here."""
    from edgetender.packaging.deployment import Deployments
    from edgetender.packaging.layer_store import default_store

    known = Deployments((store or default_store()) / "deployments")
    return tuple(dict.fromkeys(device for target in targets for device in known.devices(target)))


@click.command()
@options
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE|IMAGE")
@click.option(
    "--to",
    "targets",
    multiple=True,
    callback=_targets,
    metavar="device:NAME|group:NAME",
    help="For a manifest; may be repeated; the groups are those of `edgetender model deploy`.",
)
@broker_options
@hub_option
@click.option("--version", type=click.IntRange(1), help="Of an IoT Edge deployment, which has none itself.")
@click.option("--now", is_flag=True, help="As if it said update.now: no window and no module is waited for.")
@click.option("--follow", is_flag=True, help="Wait for the device's verdict.")
@click.option(
    "--timeout", "timeout_s", default="120s", show_default=True, callback=duration, help="How long to wait."
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="Where the image, or the list of groups, is kept."
)
@click.pass_obj
def push(
    session: Session,
    file: Path,
    targets: tuple[str, ...],
    broker: Broker | None,
    hub: str | None,
    version: int | None,
    now: bool,
    follow: bool,
    timeout_s: float,
    store: Path | None,
) -> Exit:
    """Check the manifest FILE (JSON or YAML, signed or not, - for stdin) and make it the device's desired state.

    It is kept by the broker, so a device that is away gets it when it comes back. With --follow the exit
    code is the device's verdict: 0 running, 1 refused, 6 invalid, 9 none in time, 10 rolled back,
    11 it waits for a maintenance window or for the end of a hold. Of several devices, one after the other,
    the first that is not 0.

    A root document (`edgetender keys`) is pushed the same way, before what its keys signed.

    What is no file, for no device, is an IMAGE of the store: it goes to its registry (`edgetender image push`).
    """
    if not targets and str(file) != "-" and not file.exists() and file.suffix not in _MANIFESTS:
        from edgetender.cli.image import send_image

        return send_image(session, str(file), store)
    if not targets and not file.exists() and str(file) != "-":
        raise NotFound(f"cannot push {file}: there is no such file")
    upstream: Upstream | None = broker if hub is None else hub_service(hub)
    if not targets or upstream is None:
        said = "a manifest goes to a device: name it by --to, and its broker by --broker, or its hub by --hub"
        raise click.UsageError(said)
    devices = _devices(targets, store)
    document = ManifestFile(FILE.convert(file, None, click.get_current_context()))
    with document.faults_located():
        if (root := document.root) is not None:
            roots = [
                _root(session, upstream, device, root.version, document.wire(), timeout_s, follow=follow)
                for device in devices
            ]
            return worst(roots)
        number = document.numbered(version)
        manifest = document.value(number)
        if now and document.is_signed:
            raise click.BadParameter("is the author's to say: sign it with update.now", param_hint="--now")
        if now and isinstance(manifest, dict):
            manifest = {**manifest, "update": {**(manifest.get("update") or {}), "now": True}}
        manifest_of(manifest)
        body = canonical(manifest) if now else document.wire(number)
    trace = new_traceparent()
    told = [
        deliver(session, upstream, device, manifest, body, timeout_s=timeout_s, follow=follow, trace=trace)
        for device in devices
    ]
    if not session.for_people:
        for _, answer in told:
            session.print_document(answer, one_of_many=len(told) > 1)
    return worst(code for code, _ in told)


def worst(codes: Iterable[Exit]) -> Exit:
    """The first that is not 0."""
    return next((code for code in codes if code is not Exit.OK), Exit.OK)


def _root(
    session: Session,
    settings: Upstream,
    device: str,
    version: int,
    body: bytes,
    timeout_s: float,
    *,
    follow: bool,
) -> Exit:
    """The next root document goes the way of a manifest; the next manifest takes its place at the broker."""
    with link_to(settings, device, listens=follow) as link:
        link.push(body, timeout_s=timeout_s)
        refusal = link.root_refusal(version, timeout_s=timeout_s) if follow else None
    code, outcome = Exit.OK, "counts" if follow else "pushed"
    if follow and refusal != ():
        code, outcome = (Exit.FAILED, "refused") if refusal else (Exit.TIMED_OUT, "does not count")
    if session.for_people:
        late = f" within {timeout_s:g} s" if code is Exit.TIMED_OUT else ""
        session.print_lines([f"{device}  trust root version {version} {outcome}{late}"])
    else:
        problems = [{"path": one.path, "code": one.code, "message": one.message} for one in refusal or ()]
        answer = {"apiVersion": "edgetender/v1", "kind": "Push", "device": device, "rootVersion": version}
        session.print_document(answer | {"outcome": outcome, "problems": problems})
    say_problems(refusal or ())
    return code


def deliver(
    session: Session,
    settings: Upstream,
    device: str,
    manifest: Any,
    body: bytes,
    *,
    timeout_s: float,
    follow: bool,
    trace: str,
) -> tuple[Exit, dict[str, Any]]:
    """Make *body* the device's desired state and say so; return the exit code, and the answer for scripts.

    *manifest* is what is in it, *trace* the traceparent it goes with. With *follow* the code is the device's
    verdict. Raises LinkDown.
    """
    version = manifest["version"]
    last: Report | None = None
    style = session.style()

    def show(text: str) -> None:
        line = f"{device}  {style.short(text)}"
        if session.for_people:
            session.print_lines([line])
        elif not session.quiet:
            say(line)

    with link_to(settings, device, listens=follow) as link:
        link.push(body, timeout_s=timeout_s, traceparent=trace)
        show(f"{manifest['deployment']} version {version} pushed")
        if follow:
            show(f"trace {trace_id(trace)}")
        for report in link.reports(version, timeout_s=timeout_s) if follow else ():
            if (line := _line(report)) != (_line(last) if last else None):
                show(line)
            last = report
    code = _verdict(last, device, timeout_s) if follow else Exit.OK
    return code, _answer(device, version, last) | {"traceparent": trace}


def _verdict(last: Report | None, device: str, timeout_s: float) -> Exit:
    code = _VERDICTS[last.outcome if last else Outcome.APPLYING]
    if code is Exit.TIMED_OUT:
        here = "it has the manifest, and goes on" if last else "it gets the manifest when it can"
        say(f"no verdict from {device} within {timeout_s:g} s; {here}")
        for module, why in last.troubles if last else ():
            say(f"  {module}: {why}")
    say_problems(last.problems if last else ())
    return code


def _line(report: Report) -> str:
    states = ", ".join(f"{name} {state}" for name, state in sorted(report.modules.items()))
    why = report.waits or report.description
    return (
        f"version {report.version} {report.outcome}{f': {why}' if why != report.outcome else ''}"
        f"{f' ({states})' if states else ''}"
    )


def _answer(device: str, version: int, last: Report | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"apiVersion": "edgetender/v1", "kind": "Push", "device": device}
    answer |= {"version": version, "outcome": "pushed"}
    if last is not None:
        problems = [{"path": one.path, "code": one.code, "message": one.message} for one in last.problems]
        answer |= {"outcome": last.outcome.value, "code": last.code, "description": last.description}
        answer |= {"problems": problems, "modules": last.modules}
    return answer
