"""`edgetender build`: a Dockerfile becomes an image in a registry, its log streamed, its run named."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from edgetender.cli.image_words import name_faults
from edgetender.cli.image_words import platform as platform_of
from edgetender.cli.output import Exit, Session, options, say
from edgetender.cli.package_variants import pushed
from edgetender.cli.progress import log
from edgetender.cli.registry import host
from edgetender.cli.words import span
from edgetender.errors import ConfigInvalid, NotFound
from edgetender.packaging.dockerfile_build import DockerfileBuilder
from edgetender.packaging.workspace import Workspace


@click.command()
@options
@click.argument("context", type=click.Path(path_type=Path))
@click.option("--image", required=True, metavar="NAME:VERSION", help="What it is to be called.")
@click.option("--registry", "name", help="Where to push it; else it stays here.")
@click.option("--file", default="Dockerfile", show_default=True, help="In the context.")
@click.option(
    "--platform", default="linux/amd64", show_default=True, callback=platform_of, help="For which devices."
)
@click.option(
    "--builder",
    type=click.Choice(("auto", "direct", "docker")),
    default="auto",
    show_default=True,
    help="How: direct needs no engine, docker is the engine's build.",
)
@click.option("--store", type=click.Path(path_type=Path), help="Where images are kept.")
@click.pass_obj
def build(
    session: Session,
    context: Path,
    image: str,
    name: str | None,
    file: str,
    platform: str,
    builder: str,
    store: Path | None,
) -> Exit:
    """Build CONTEXT's Dockerfile and push the image to a registry.

    What needs no command run (a saved package, for one) is assembled here; RUN and the like go to an engine.
    """
    began = session.monotonic()
    workspace = Workspace(store)
    if not context.is_dir():
        raise NotFound(f"cannot build {context}: there is no such directory")
    if not (context / file).is_file():
        raise NotFound(f"cannot build {context}: there is no {file} in it")
    address = host(name, workspace) if name is not None else None
    reference = f"{address}/{image}" if address else image
    if faults := name_faults("--image", reference):
        raise ConfigInvalid(tuple(faults))
    run = secrets.token_hex(3)
    with log() as tell:
        digest = DockerfileBuilder(workspace, tell).build(
            context, reference, file=file, platform=platform, builder=builder
        )
    if address is not None:
        pushed(reference, workspace.images.get(reference).layout, workspace.logins.get(address))
    say(f"Run ID: {run} was successful after {span(session.monotonic() - began)}")
    if session.for_people:
        session.print_lines([f"{reference}@{digest}"])
    else:
        head = {"apiVersion": "edgetender/v1", "kind": "Build", "runId": run}
        session.print_document(head | {"image": reference, "digest": digest})
    return Exit.OK
