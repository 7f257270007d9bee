"""`edgetender model`: registers models as versions that never change, lists them, gets them back, deploys them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetender.cli.deploy import deploy
from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, options, options_but_output, say, table
from edgetender.cli.package import package
from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging.layer_store import default_store
from edgetender.packaging.model_store import Model, ModelStore, framework_named, parse_model
from edgetender.packaging.store_removal import remove_model
from edgetender.packaging.workspace import Workspace

_HEADS = ("NAME", "VERSION", "FRAMEWORK", "SHA256", "CREATED", "TAGS")
_STORE = click.option("--store", type=click.Path(path_type=Path), help="Where layers and models are kept.")


@click.group(cls=Group)
def model() -> None:
    """Keep models, every version once and for good; package and deploy them."""


model.add_command(package)  # as the original has it; `edgetender package` is the same
model.add_command(deploy)


@model.command()
@options
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Under which it is found again.")
@click.option(
    "--version", "version", default="auto", show_default=True, help="A number, or auto: the next one."
)
@click.option("--framework", help="Onnx, ScikitLearn, …; .onnx files are known by their name.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A note to find it by.")
@click.option(
    "--property", "properties", multiple=True, metavar="KEY=VALUE", help="Such as derivedImageName=…"
)
@click.option("--description", help="A note for people.")
@_STORE
@click.pass_obj
def register(
    session: Session,
    path: Path,
    name: str,
    version: str,
    framework: str | None,
    tags: tuple[str, ...],
    properties: tuple[str, ...],
    description: str | None,
    store: Path | None,
) -> Exit:
    """Keep a copy of PATH, a file or a directory, as a version that never changes."""
    problems: list[Problem] = []
    number = _number(version, problems)
    said = {
        "--tag": _pairs("--tag", tags, problems),
        "--property": _pairs("--property", properties, problems),
    }
    if problems:
        raise ConfigInvalid(tuple(problems))
    kept = _models(store).register(
        path, name, version=number, framework=framework_named(framework) if framework else None,
        tags=said["--tag"], properties=said["--property"], description=description,
        created=f"{session.now():%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    if session.for_people:
        session.print_lines([f"{kept.reference}  sha256:{kept.sha256}"])
    else:
        session.print_document(_document(kept))
    return Exit.OK


@model.command("list")
@options
@click.option("--name", help="Only this model's versions.")
@_STORE
@click.pass_obj
def list_models(session: Session, name: str | None, store: Path | None) -> Exit:
    """List the registered models, every version."""
    found = [one for one in _models(store).list() if name in (None, one.name)]
    if not session.for_people:
        session.print_document(
            {"apiVersion": "edgetender/v1", "kind": "ModelList", "models": [_document(one) for one in found]}
        )
    elif found:
        session.print_lines(table([_row(one) for one in found], _HEADS))
    else:
        say("no model is registered yet; the first comes with: edgetender model register PATH --name NAME")
    return Exit.OK


@model.command()
@options
@click.argument("reference", metavar="NAME[:VERSION]")
@_STORE
@click.pass_obj
def show(session: Session, reference: str, store: Path | None) -> Exit:
    """Show one version of a model; the latest when none is named."""
    name, version = parse_model(reference)
    document = _document(_models(store).get(name, version))
    if session.for_people:
        session.print_lines(table([(key, _text(value)) for key, value in document.items() if value]))
    else:
        session.print_document(document)
    return Exit.OK


@model.command()
@options_but_output
@click.argument("reference", metavar="NAME[:VERSION]")
@click.option(
    "--target-dir",
    "--output",
    "target_dir",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Default: here.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@_STORE
@click.pass_obj
def download(session: Session, reference: str, target_dir: Path, overwrite: bool, store: Path | None) -> Exit:
    """Copy a model out of the store, and check that it is what was registered."""
    name, version = parse_model(reference)
    models = _models(store)
    found = models.get(name, version)
    target = models.download(found, target_dir, overwrite=overwrite)
    if session.for_people:
        session.print_lines([str(target)])
    else:
        session.print_document(_document(found) | {"downloaded": str(target)})
    return Exit.OK


@model.command()
@options
@click.argument("reference", metavar="NAME:VERSION")
@click.option("--force", is_flag=True, help="Also one that an image of the store has.")
@_STORE
@click.pass_obj
def remove(session: Session, reference: str, force: bool, store: Path | None) -> Exit:
    """Remove a version from the store. Its number stays taken: no other model ever gets it."""
    name, version = parse_model(reference)
    if version is None:
        known = ", ".join(one.reference for one in _models(store).list() if one.name == name) or "none"
        why = f"{reference!r} names no version; here are {known}"
        raise ConfigInvalid((Problem("NAME:VERSION", "model.version", why),))
    workspace = Workspace(store)
    found = workspace.models.get(name, version)
    remove_model(workspace, found, force=force)
    if session.for_people:
        session.print_lines([f"removed {found.reference}"])
    else:
        session.print_document(
            {"apiVersion": "edgetender/v1", "kind": "Removed", "models": [found.reference]}
        )
    return Exit.OK


def _models(store: Path | None) -> ModelStore:
    return ModelStore((store or default_store()) / "models")


def _number(text: str, problems: list[Problem]) -> int | None:
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    problems.append(Problem("--version", "model.version", f"{text!r} is neither auto nor a number from 1"))
    return None


def _pairs(option: str, given: tuple[str, ...], problems: list[Problem]) -> dict[str, str]:
    """Keys and values; a key said twice is a fault, the second would hide the first."""
    pairs: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key or key in pairs:
            why = "is given twice" if key in pairs else "is no KEY=VALUE"
            problems.append(Problem(option, "value.pair", f"{text!r} {why}"))
        pairs[key] = value
    return pairs


def _document(one: Model) -> dict[str, Any]:
    return {
        "apiVersion": "edgetender/v1",
        "kind": "Model",
        "name": one.name,
        "version": one.version,
        "sha256": one.sha256,
        "framework": one.framework,
        "tags": one.tags,
        "properties": one.properties,
        "description": one.description,
        "createdTime": one.created,
        "path": str(one.path),
    }


def _row(one: Model) -> tuple[str, ...]:
    tags = ",".join(f"{key}={value}" for key, value in sorted(one.tags.items()))
    return (one.name, str(one.version), one.framework or "-", one.sha256[:12], one.created or "-", tags)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items()))
    return str(value)
