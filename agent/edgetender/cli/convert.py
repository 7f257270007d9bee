"""`edgetender convert FILE...`: what is an Azure IoT Edge deployment as a manifest? Needs no agent."""

from __future__ import annotations

import re
from pathlib import Path

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, options, say, say_problems
from edgetender.errors import ManifestInvalid, Problem

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def _name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no name: lower case, digits, . _ -")
    return value


@click.command()
@options
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@click.option("--deployment", callback=_name, help="What people call it; else the first file's name.")
@click.option(
    "--version", type=click.IntRange(1), default=1, show_default=True, help="Has to rise each time."
)
@click.option(
    "--leave-out", multiple=True, metavar="PATH", help="Drop what cannot be said here at or below PATH."
)
@click.pass_obj
def convert(
    session: Session,
    files: tuple[Path, ...],
    deployment: str | None,
    version: int,
    leave_out: tuple[str, ...],
) -> Exit:
    """Make a manifest of an Azure IoT Edge deployment; layers follow it, a later one winning.

    The manifest goes to stdout, what was changed or left behind to stderr. What a manifest cannot say is a
    fault with its path, unless --leave-out names it. Credentials are never carried over.
    """
    from edgetender.convert.findings import UNSUPPORTED
    from edgetender.convert.iotedge import convert as converted
    from edgetender.convert.iotedge import is_iotedge

    sources = [ManifestFile(file) for file in files]
    try:
        for source in sources:
            if not is_iotedge(source.document().value):
                what = "is no IoT Edge deployment: it has no modulesContent"
                raise ManifestInvalid((Problem("", "iotedge.unknown", f"{source.name} {what}"),))  # noqa: TRY301
        result = converted(
            [source.document().value for source in sources],
            version=version,
            deployment=deployment or _stem(files[0]),
            left_out=frozenset(leave_out),
        )
    except ManifestInvalid as error:
        _say(sources, error.problems, "error")
        if any(problem.code == UNSUPPORTED for problem in error.problems):
            say("what the module can do without is dropped by --leave-out PATH")
        return Exit.INVALID
    if session.for_people:
        import yaml

        click.echo(yaml.safe_dump(result.manifest, sort_keys=False, allow_unicode=True), nl=False)
        _say(sources, result.notes, "note")
    else:
        notes = [{"path": one.path, "code": one.code, "message": one.message} for one in result.notes]
        document = {"apiVersion": "edgetender/v1", "kind": "Conversion", "manifest": result.manifest}
        session.print_document(document | {"notes": notes})
    return Exit.OK


def _stem(file: Path) -> str:
    name = file.name.partition(".")[0].lower()
    return name if _NAME.fullmatch(name) else "iotedge"


def _say(sources: list[ManifestFile], problems: tuple[Problem, ...], kind: str) -> None:
    if len(sources) == 1:
        sources[0].say(problems, kind)
    else:  # one path may stand in several of them
        say_problems(problems)
