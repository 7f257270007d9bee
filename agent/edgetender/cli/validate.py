"""`edgetender validate FILE`: is this a manifest, and what may one say? Needs no agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, options, say
from edgetender.errors import ManifestInvalid, Problem

if TYPE_CHECKING:
    from edgetender.model.manifest import Manifest


@click.command()
@options
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1)
@click.option("--schema", is_flag=True, help="Print the manifest's JSON Schema instead.")
@click.option(
    "--resolve",
    is_flag=True,
    help="Ask the registries what each tag means now, and write the digest into FILE.",
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="For --resolve: where logins to registries are kept."
)
@click.pass_obj
def validate(
    session: Session, files: tuple[Path, ...], schema: bool, resolve: bool, store: Path | None
) -> Exit:
    """Check manifests, and name every fault with its place; warn of what one regrets later.

    Warnings leave the exit code alone.
    """
    if schema:
        from edgetender.model.schema import manifest_schema

        click.echo(json.dumps(manifest_schema(), indent=2, ensure_ascii=False))
        return Exit.OK
    if not files:
        raise click.UsageError("name a manifest FILE, or - for stdin")
    results = [_validated(session, ManifestFile(file), resolve=resolve, store=store) for file in files]
    if not session.for_people:
        valid = all(not result["problems"] for result in results)
        session.print_document(
            {"apiVersion": "edgetender/v1", "kind": "Validation", "valid": valid, "files": results}
        )
    return Exit.INVALID if any(result["problems"] for result in results) else Exit.OK


def _validated(
    session: Session, manifest: ManifestFile, *, resolve: bool, store: Path | None
) -> dict[str, Any]:
    from edgetender.model.reading import manifest_of

    try:
        read = manifest_of(manifest.value())
        if resolve:
            manifest = _resolved(manifest, store)
            read = manifest_of(manifest.value())
    except ManifestInvalid as error:
        if session.for_people:
            manifest.say(error.problems)
        return _result(manifest, error.problems, ())
    warnings = _warnings(manifest, read)
    if session.for_people:
        count = len(read.modules)
        modules = "1 module" if count == 1 else f"{count} modules"
        what = (
            "an IoT Edge deployment" if manifest.is_iotedge else f"{read.deployment} version {read.version}"
        )
        click.echo(f"{manifest.name}: valid: {what}, {modules}")
        if warnings:
            manifest.say(warnings, "warning")
    return _result(manifest, (), warnings)


def _warnings(manifest: ManifestFile, read: Manifest) -> tuple[Problem, ...]:
    """None of what was signed, or written for another product: there the paths are not its author's."""
    from edgetender.model.advice import advice

    return () if manifest.is_iotedge or manifest.is_signed else advice(read)


def _resolved(manifest: ManifestFile, store: Path | None) -> ManifestFile:
    """The file with digests written into it. Raises ManifestInvalid; click's usage error where there is no way."""
    from edgetender.cli.sign import digests_by
    from edgetender.fleet.pinning import digests

    if manifest.is_iotedge or manifest.is_signed or manifest.file is None:
        raise click.BadParameter(
            f"cannot write digests into {manifest.name}: it is no manifest in a file of yours",
            param_hint="--resolve",
        )
    found = digests(manifest.value(), digests_by(store))
    written = manifest.lengthened({path: f"@{digest}" for path, digest in found.items()})
    for path, digest in found.items():
        place = manifest.located(Problem(path, "", ""))
        say(f"{manifest.name}{f':{place[0]}' if place else ''}: {path} is {digest}")
    return written


def _result(
    manifest: ManifestFile, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]
) -> dict[str, Any]:
    return {
        "file": manifest.name,
        "problems": [_told(manifest, problem) for problem in problems],
        "warnings": [_told(manifest, problem) for problem in warnings],
    }


def _told(manifest: ManifestFile, problem: Problem) -> dict[str, Any]:
    line, column = manifest.located(problem) or (None, None)
    told = {"path": problem.path, "code": problem.code, "message": problem.message}
    return told | {"line": line, "column": column}
