"""`edgetender package`: a model and its inference configuration become an image."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgetender.cli.image_words import name_faults
from edgetender.cli.image_words import platforms as platforms_of
from edgetender.cli.output import Exit, Session, options_but_output, say, table
from edgetender.cli.package_compared import compare, comparison_lines
from edgetender.cli.package_model import models_of
from edgetender.cli.package_variants import pushed, variants_told
from edgetender.cli.progress import log
from edgetender.cli.words import size
from edgetender.errors import ConfigInvalid, NotFound, Permanent, Problem
from edgetender.packaging.builder import Assembled, Built
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.inference_file import from_json
from edgetender.packaging.logins import Login
from edgetender.packaging.onnx_preparation import POLICIES
from edgetender.packaging.packager import BUILDERS, Order, Packager
from edgetender.packaging.push import split
from edgetender.packaging.variants import make, read_bases
from edgetender.packaging.workspace import Workspace
from edgetender.packaging.writer import why_not_written
from edgetender.secret import Secret

_PATH = click.Path(path_type=Path)


@click.command()
@options_but_output
@click.argument("model", required=False)
@click.option("--name", help="The model's name, where MODEL is a path.")
@click.option(
    "--model-version",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Its version, where MODEL is a path.",
)
@click.option("--framework", help="Likewise; a single Onnx or ScikitLearn model needs no entry script.")
@click.option("--entry-script", help="The Python file with init() and run().")
@click.option("--source-dir", help="What is packed beside the entry script; paths count from here.")
@click.option("--requirements", help="Pip requirements of the entry script.")
@click.option("--conda", help="Conda file of the entry script.")
@click.option("--ic", type=_PATH, help="Inference configuration (JSON).")
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="[VARIANT][@PLATFORM=]BASE",
    help="A base's name, an image's reference, oci:DIR, or a root file system.",
)
@click.option("--with-default-base", is_flag=True, help="Make it on the default base too, and try both.")
@click.option(
    "--platform", default="linux/amd64", show_default=True, callback=platforms_of, help="Several with commas between."
)  # fmt: skip
@click.option(
    "--variant",
    "variants",
    multiple=True,
    help="One of cpu, cuda, tensorrt, jetpack; may be given several times.",
)
@click.option(
    "--optimize",
    type=click.Choice(POLICIES),
    default="auto",
    show_default=True,
    help="An ONNX model without script: native also takes along what only processors like this one run.",
)
@click.option("--sample", type=_PATH, help="Likewise: a request (JSON) whose answer goes into the image.")
@click.option(
    "--baseline",
    type=_PATH,
    help="Rows of the model's own data (CSV, JSON): what is asked is compared with them.",
)
@click.option(
    "--builder",
    type=click.Choice(BUILDERS),
    default="auto",
    show_default=True,
    help="How: direct needs no engine, docker is the engine's build.",
)
@click.option("--generate-dockerfile", is_flag=True, help="Write Dockerfile and context to --output instead.")
@click.option("--output", "destination", help="Where to: oci:DIR; else the image store, under --tag.")
@click.option("-t", "--tag", help="The image's reference: registry/name:tag; else package:TIMESTAMP.")
@click.option("--push", is_flag=True, help="Send it to the registry of --tag.")
@click.option("--username", help="For --push; the password comes from EDGETENDER_REGISTRY_PASSWORD.")
@click.option("--registry-ca", type=_PATH, help="For --push: the registry's CA certificate.")
@click.option("--store", type=_PATH, help="Where layers and models are kept.")
@click.option("--server-source", type=_PATH, help="The scoring server's project.")
@click.pass_obj
def package(
    session: Session,
    model: str | None,
    name: str | None,
    model_version: int,
    framework: str | None,
    entry_script: str | None,
    source_dir: str | None,
    requirements: str | None,
    conda: str | None,
    ic: Path | None,
    bases: tuple[str, ...],
    with_default_base: bool,
    platform: str,
    variants: tuple[str, ...],
    optimize: str,
    sample: Path | None,
    baseline: Path | None,
    builder: str,
    generate_dockerfile: bool,
    destination: str | None,
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
    workspace = Workspace(store, server_source=server_source, now=session.now)
    platforms = tuple(platform.split(","))
    several = bool(variants) or len(platforms) > 1
    problems = _faults(
        push=push, tag=tag, context=generate_dockerfile, destination=destination, several=several
    )
    models, missing = models_of(model, name, model_version, framework, workspace.models, problems)
    config = _config(ic, entry_script, source_dir, requirements, conda, problems, missing)
    chosen = read_bases(bases)
    order = Order(
        models,
        config,
        tag or f"package:{workspace.timestamp('package')}",
        platform=platforms[0],
        accelerator="cuda" if config.enable_gpu else "cpu",
        base=chosen.of("", platforms[0]),
        builder=builder,
        optimize=optimize,
        sample=sample,
        baseline=baseline,
    )
    out = Path(destination.removeprefix("oci:")) if destination else None
    login = _login(workspace, order.reference, username, registry_ca) if push else None
    try:
        if several:
            with log() as tell:
                made = make(Packager(workspace, tell), order, variants, platforms, chosen, out)
            document, lines = variants_told(made, login)
        elif generate_dockerfile and out is not None:
            with log() as tell:
                context = Packager(workspace, tell).context(order, out)
            document = _context_document(context, out, order.reference)
            lines = [f"{out}", f"next: docker build --tag {order.reference} {out}"]
        else:
            with log() as tell:
                built = Packager(workspace, tell).image(order, out)
            if login is not None:
                pushed(order.reference, built.layout, login)
            with log() as tell:
                compared = compare(Packager(workspace, tell), order, built) if with_default_base else {}
            seconds = session.monotonic() - began
            document = _document(built, order.reference, seconds) | ({"bases": compared} if compared else {})
            lines = [*_lines(built, order.reference, seconds), *comparison_lines(compared)]
    except OSError as error:
        raise Permanent(
            f"cannot package {order.reference}: {why_not_written(error, out or workspace.root)}"
        ) from error
    say(f"Run ID: {order.reference} was successful after {session.monotonic() - began:.1f}s")
    if session.for_people:
        session.print_lines(lines)
    else:
        session.print_document(document)
    return Exit.OK


def _faults(
    *, push: bool, tag: str | None, context: bool, destination: str | None, several: bool
) -> list[Problem]:
    found = []
    if context and several:
        text = "is for one variant on one platform; call it once for each"
        found.append(Problem("--generate-dockerfile", "value.conflict", text))
    if push and tag is None:
        found.append(Problem("--tag", "value.missing", "is required by --push"))
    found += name_faults("--tag", tag) if tag is not None else []
    if context and destination is None:
        found.append(Problem("--output", "value.missing", "is required by --generate-dockerfile"))
    if context and push:
        found.append(Problem("--push", "value.conflict", "a Dockerfile package is built first: docker build"))
    return found


def _config(
    ic: Path | None,
    entry: str | None,
    source: str | None,
    requirements: str | None,
    conda: str | None,
    problems: list[Problem],
    missing: NotFound | None,
) -> InferenceConfig:
    """Command line before file; files named on the command line are looked for in the source, then here.

    Raises ConfigInvalid with *problems* and the configuration's own; *missing*, where that is all.
    """
    lacking = [Problem("MODEL", "model.missing", str(missing))] if missing else []
    given: dict[str, str] = {"entry_script": entry} if entry else {}
    if source:
        given["source_directory"] = str(Path(source).absolute())
    base = Path(given.get("source_directory", ""))
    for key, value in (("requirements_file", requirements), ("conda_file", conda)):
        if value is not None:
            here = not (base / value).exists() and Path(value).exists()
            given[key] = str(Path(value).absolute()) if here else value
    try:
        if ic is not None:
            config = from_json(ic, given, script_required=False)
        else:
            config = InferenceConfig(**given)  # type: ignore[arg-type]
            config.check(script_required=False)
    except ConfigInvalid as error:
        raise ConfigInvalid((*problems, *lacking, *error.problems)) from error
    if problems:
        raise ConfigInvalid((*problems, *lacking))
    if missing:
        raise missing
    for warning in config.warnings:
        say(f"warning: {warning}")
    return config


def _login(workspace: Workspace, reference: str, username: str | None, ca_file: Path | None) -> Login:
    """What the command line says, before what `registry login` kept."""
    login = workspace.logins.get(split(reference)[0])
    if username is not None:
        password = os.environ.get("EDGETENDER_REGISTRY_PASSWORD")
        login = replace(login, username=username, password=Secret(password) if password else None)
    return replace(login, ca_file=ca_file) if ca_file is not None else login


def _context_document(made: Assembled, out: Path, tag: str) -> dict[str, Any]:
    return {
        "apiVersion": "edgetender/v1",
        "kind": "DockerfilePackage",
        "output": str(out),
        "tag": tag,
        "platform": made.image.platform,
        "files": sorted(path.name for path in out.iterdir()),
    }


def _document(built: Built, tag: str, seconds: float) -> dict[str, Any]:
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


def _lines(built: Built, tag: str, seconds: float) -> list[str]:
    rows = [
        (one.kind, size(one.size_bytes), one.digest[:19], "store" if one.reused else "built")
        for one in built.layers
    ]
    head = f"{built.digest}  {tag}  {built.platform}  {seconds:.1f} s"
    return [head, "", *table(rows, ("LAYER", "SIZE", "DIGEST", "FROM"))]
