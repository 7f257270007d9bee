"""`edgetender package`: a model and its inference configuration become an image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from edgetender.cli.output import Exit, Session, options_but_output, say, table
from edgetender.cli.words import size
from edgetender.errors import ConfigInvalid, Permanent, Problem
from edgetender.packaging import DirectBuilder, InferenceConfig, Model, ModelStore, default_store
from edgetender.packaging.builder import Built
from edgetender.packaging.inference_file import from_json
from edgetender.packaging.model_store import from_path
from edgetender.secret import Secret


@click.command()
@options_but_output
@click.argument("model", required=False)
@click.option("--name", help="the model's name, where MODEL is a path")
@click.option("--model-version", type=click.IntRange(1), default=1, show_default=True, help="likewise")
@click.option("--entry-script", help="the Python file with init() and run()")
@click.option("--source-dir", help="what is packed beside the entry script; paths count from here")
@click.option("--requirements", help="pip requirements of the entry script")
@click.option("--conda", help="conda file whose packages come from pip")
@click.option("--ic", type=click.Path(path_type=Path), help="inference configuration (JSON)")
@click.option("--base", help="oci:DIR, or a root file system: a tar or a directory")
@click.option("--platform", default="linux/amd64", show_default=True)
@click.option("--output", "destination", required=True, help="oci:DIR")
@click.option("-t", "--tag", help="the image's reference: registry/name:tag")
@click.option("--push", is_flag=True, help="send it to the registry of --tag")
@click.option("--username", help="for --push; the password comes from EDGETENDER_REGISTRY_PASSWORD")
@click.option(
    "--registry-ca", type=click.Path(path_type=Path), help="for --push: the registry's CA certificate"
)
@click.option("--store", type=click.Path(path_type=Path), help="where layers and models are kept")
@click.option("--server-source", type=click.Path(path_type=Path), help="the scoring server's project")
@click.pass_obj
def package(
    session: Session,
    model: str | None,
    name: str | None,
    model_version: int,
    entry_script: str | None,
    source_dir: str | None,
    requirements: str | None,
    conda: str | None,
    ic: Path | None,
    base: str | None,
    platform: str,
    destination: str,
    tag: str | None,
    push: bool,
    username: str | None,
    registry_ca: Path | None,
    store: Path | None,
    server_source: Path | None,
) -> Exit:
    """Package MODEL (a path, or the name:version of a registered one) into an image that serves it.

    The image answers POST /score on port 5001. Unchanged parts are taken from the store: packaging the
    same input twice gives the same digest.
    """
    began = session.monotonic()
    place = store or default_store()
    try:
        config = _config(ic, entry_script, source_dir, requirements, conda)
        if base is None:
            raise ConfigInvalid(
                (Problem("--base", "value.missing", "is required: what the image stands on"),)
            )
        if push and tag is None:
            raise ConfigInvalid((Problem("--tag", "value.missing", "is required by --push"),))
        models = (_model(model, name, model_version, place),) if model else ()
        builder = DirectBuilder(place, server_source=server_source, say=say)
        out = Path(destination.removeprefix("oci:"))
        built = builder.build(
            models, config, Path(base.removeprefix("oci:")), out, platform=platform, reference=tag
        )
        if push and tag is not None:
            _push(tag, out, username, registry_ca)
    except OSError as error:
        raise Permanent(f"cannot package: {error}") from error
    seconds = session.monotonic() - began
    if session.for_people:
        session.print_lines(_lines(built, seconds))
    else:
        session.print_document(_document(built, tag, seconds))
    return Exit.OK


def _config(
    ic: Path | None, entry: str | None, source: str | None, requirements: str | None, conda: str | None
) -> InferenceConfig:
    """Command line before file; files named on the command line are looked for in the source, then here."""
    given: dict[str, str] = {"entry_script": entry} if entry else {}
    if source:
        given["source_directory"] = str(Path(source).absolute())
    base = Path(given.get("source_directory", ""))
    for key, value in (("requirements_file", requirements), ("conda_file", conda)):
        if value is not None:
            here = not (base / value).exists() and Path(value).exists()
            given[key] = str(Path(value).absolute()) if here else value
    if ic is None:
        return InferenceConfig(**given)  # type: ignore[arg-type]  # each is one of its text attributes
    config = from_json(ic, given)
    for warning in config.warnings:
        say(f"warning: {warning}")
    return config


def _model(text: str, name: str | None, version: int, store: Path) -> Model:
    path = Path(text)
    if path.exists() or name is not None:
        return from_path(path, name or path.stem, version)
    registered, _, number = text.partition(":")
    if number and not number.isdigit():
        raise ConfigInvalid((Problem("MODEL", "model.version", f"{number!r} is no version number"),))
    return ModelStore(store / "models").get(registered, int(number) if number else None)


def _push(tag: str, layout: Path, username: str | None, ca_file: Path | None) -> None:
    from edgetender.packaging.push import push

    say(f"pushing {tag}")
    password = os.environ.get("EDGETENDER_REGISTRY_PASSWORD")
    digest = push(
        tag, layout, username=username, password=Secret(password) if password else None, ca_file=ca_file
    )
    say(f"pushed {digest}")


def _document(built: Built, tag: str | None, seconds: float) -> dict[str, Any]:
    return {
        "apiVersion": "edgetender/v1",
        "kind": "Package",
        "digest": built.digest,
        "output": str(built.layout),
        "tag": tag,
        "platform": built.platform,
        "sizeBytes": sum(layer.size_bytes for layer in built.layers),
        "seconds": round(seconds, 3),
        "layers": [
            {"kind": one.kind, "digest": one.digest, "sizeBytes": one.size_bytes, "reused": one.reused}
            for one in built.layers
        ],
    }


def _lines(built: Built, seconds: float) -> list[str]:
    rows = [
        (one.kind, size(one.size_bytes), one.digest[:19], "store" if one.reused else "built")
        for one in built.layers
    ]
    head = f"{built.digest}  {built.platform}  {seconds:.1f} s"
    return [head, "", *table(rows, ("LAYER", "SIZE", "DIGEST", "FROM"))]
