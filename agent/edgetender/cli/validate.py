"""`edgetender validate FILE`: is this a manifest, and what may one say? Needs no agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, options
from edgetender.errors import ManifestInvalid


@click.command()
@options
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1)
@click.option("--schema", is_flag=True, help="Print the manifest's JSON Schema instead.")
@click.pass_obj
def validate(session: Session, files: tuple[Path, ...], schema: bool) -> Exit:
    """Check manifests, and name every fault with its place."""
    if schema:
        from edgetender.model.schema import manifest_schema

        click.echo(json.dumps(manifest_schema(), indent=2, ensure_ascii=False))
        return Exit.OK
    if not files:
        raise click.UsageError("name a manifest FILE, or - for stdin")
    results = [_validated(session, ManifestFile(file)) for file in files]
    if not session.for_people:
        valid = all(not result["problems"] for result in results)
        session.print_document(
            {"apiVersion": "edgetender/v1", "kind": "Validation", "valid": valid, "files": results}
        )
    return Exit.INVALID if any(result["problems"] for result in results) else Exit.OK


def _validated(session: Session, manifest: ManifestFile) -> dict[str, Any]:
    from edgetender.model.reading import manifest_of

    try:
        read = manifest_of(manifest.value())
    except ManifestInvalid as error:
        if session.for_people:
            manifest.say(error.problems)
        return {"file": manifest.name, "problems": [_told(manifest, problem) for problem in error.problems]}
    if session.for_people:
        count = len(read.modules)
        modules = "1 module" if count == 1 else f"{count} modules"
        what = (
            "an IoT Edge deployment" if manifest.is_iotedge else f"{read.deployment} version {read.version}"
        )
        click.echo(f"{manifest.name}: valid: {what}, {modules}")
    return {"file": manifest.name, "problems": []}


def _told(manifest: ManifestFile, problem: Any) -> dict[str, Any]:
    line, column = manifest.located(problem) or (None, None)
    told = {"path": problem.path, "code": problem.code, "message": problem.message}
    return told | {"line": line, "column": column}
