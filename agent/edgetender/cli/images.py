"""`edgetender images`, `pull` and `run`: what is here, what goes to the engine, what it starts."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from edgetender.cli.image_words import of_platform
from edgetender.cli.output import Exit, Session, options, say, table
from edgetender.cli.progress import bars
from edgetender.cli.words import ago, size
from edgetender.errors import ConfigInvalid, NotFound, Permanent, Problem
from edgetender.model.image import parse_reference
from edgetender.packaging import containerd, oci_layout
from edgetender.packaging.image_config import PORT
from edgetender.packaging.image_pull import pull as fetch
from edgetender.packaging.image_store import KeptImage, registry_of
from edgetender.packaging.trial import followed
from edgetender.packaging.workspace import Workspace

_HEADS = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")
_PORT = re.compile(
    r"(?:(?P<address>[\d.]+|\[[0-9a-fA-F:]+\]):)?(?P<host>\d{1,5}):(?P<container>\d{1,5})(?:/tcp)?"
)
_WAIT_S = 30.0
_STORE = click.option("--store", type=click.Path(path_type=Path), help="Where images are kept.")


@click.command()
@options
@_STORE
@click.pass_obj
def images(session: Session, store: Path | None) -> Exit:
    """List the images that were packaged or pulled here, the newest first."""
    found = Workspace(store).images.list()
    if not session.for_people:
        content = [_document(one) for one in found]
        session.print_document({"apiVersion": "edgetender/v1", "kind": "ImageList", "images": content})
    elif found:
        session.print_lines(table([_row(one, session.now()) for one in found], _HEADS))
    else:
        say("no image is here yet; the first comes with: edgetender package, or edgetender pull")
    return Exit.OK


@click.command()
@options
@click.argument("reference")
@of_platform
@click.option(
    "--engine", type=click.Choice(("docker", "containerd")), default="docker", show_default=True,
    help="With docker: or podman, at DOCKER_HOST; containerd: by ctr, CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE.",
)  # fmt: skip
@click.option("--no-engine", is_flag=True, help="Only keep it here.")
@_STORE
@click.pass_obj
def pull(
    session: Session, reference: str, platform: str, engine: str, no_engine: bool, store: Path | None
) -> Exit:
    """Bring an image here from its registry, and give it to the container engine."""
    workspace = Workspace(store)
    kept = _kept(workspace, reference, platform)
    if no_engine:
        status = f"{reference} is here"
    elif engine == "containerd":
        status = containerd.give(kept.image, reference)
    else:
        status = workspace.engine().give(kept.image, reference)
    if session.for_people:
        session.print_lines([f"Digest: {kept.image.digest}", f"Status: {status}"])
    else:
        session.print_document(_document(kept) | {"status": status})
    return Exit.OK


@click.command()
@options
@click.argument("reference")
@click.option(
    "-p",
    "--publish",
    "ports",
    multiple=True,
    metavar="[ADDRESS:]HOST:CONTAINER",
    help="The host's port and the container's; at 127.0.0.1 if no address is said.",
)
@click.option("--name", help="The container's name.")
@click.option(
    "-e", "--env", "env", multiple=True, metavar="KEY=VALUE", help="An environment variable of the container."
)
@click.option("--no-wait", is_flag=True, help="Do not wait until it answers.")
@_STORE
@click.pass_obj
def run(
    session: Session,
    reference: str,
    ports: tuple[str, ...],
    name: str | None,
    env: tuple[str, ...],
    no_wait: bool,
    store: Path | None,
) -> Exit:
    """Start an image (its reference or id) in the container engine of this machine, in the background.

    Where the scoring port 5001 is published, it is waited for until it answers, plain or by TLS, at most 30 s (exit 9).
    """
    published = _ports(ports)
    workspace = Workspace(store)
    engine = workspace.engine()
    if not engine.has(reference):
        kept = by_reference_or_id(workspace, reference)
        reference = kept.reference
        engine.load(kept.image, reference)
    identity = engine.run(reference, name=name, ports=published, env=list(env))
    if session.for_people:
        session.print_lines([identity])
    else:
        head = {"apiVersion": "edgetender/v1", "kind": "Container"}
        session.print_document(head | {"id": identity, "name": name, "image": reference})
    if PORT not in published:
        return Exit.OK
    host, port = published[PORT]
    scheme = "http"
    if not no_wait and engine.is_local:
        asked = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  what it listens on
        tried = followed(engine, identity, (asked, port), within_s=_WAIT_S)
        if tried.ended:
            raise Permanent(f"cannot serve {reference}: {tried.why}; docker logs {name or identity[:12]}")
        if tried.scheme is None:
            say(f"{tried.why}; it goes on starting: docker logs {name or identity[:12]}")
            return Exit.TIMED_OUT
        scheme = tried.scheme
    say(f"scores at {scheme}://{'localhost' if host == '127.0.0.1' else host}:{port}/score")
    return Exit.OK


def _kept(workspace: Workspace, reference: str, platform: str) -> KeptImage:
    """The store's image, if it was made here; else the registry's, as it is now."""
    try:
        parsed = parse_reference(reference)
    except ValueError as error:
        raise ConfigInvalid((Problem("REFERENCE", "reference.invalid", str(error)),)) from error
    if registry_of(reference) is None:
        return workspace.images.get(reference)
    blobs = workspace.layers().blobs
    with workspace.used():
        with bars() as progress:
            login = workspace.logins.get(parsed.registry)
            digest = fetch(login, parsed, platform, blobs, say, progress=progress)
        with workspace.images.making(reference) as part:
            oci_layout.write(oci_layout.image_of(blobs, digest), part, name=reference)
    return workspace.images.get(reference)


def by_reference_or_id(workspace: Workspace, text: str) -> KeptImage:
    """The image of the store that is meant. Raises NotFound."""
    wanted = text.removeprefix("sha256:")
    found = [
        one for one in workspace.images.list() if one.identity.removeprefix("sha256:").startswith(wanted)
    ]
    if re.fullmatch(r"[0-9a-f]{4,64}", wanted) and found:
        if len({one.identity for one in found}) > 1:
            raise NotFound(f"cannot find the image {text}: {len(found)} ids begin so; write more of it")
        return found[0]
    return workspace.images.get(text)


def _ports(given: tuple[str, ...]) -> dict[int, tuple[str, int]]:
    problems, found = [], {}
    for text in given:
        match = _PORT.fullmatch(text)
        if match is None or not (0 < int(match["host"]) < 65536 and 0 < int(match["container"]) < 65536):  # noqa: PLR2004
            problems.append(Problem("-p", "port.invalid", f"{text!r}; write it like 6789:5001"))
        else:
            found[int(match["container"])] = (
                (match["address"] or "127.0.0.1").strip("[]"),
                int(match["host"]),
            )
    if problems:
        raise ConfigInvalid(tuple(problems))
    return found


def _row(one: KeptImage, now: datetime) -> tuple[str, ...]:
    when = ago(one.created.isoformat(), now)
    return (one.repository, one.tag, one.identity.removeprefix("sha256:")[:12], when, size(one.size_bytes))


def _document(one: KeptImage) -> dict[str, Any]:
    return {
        "repository": one.repository,
        "tag": one.tag,
        "id": one.identity,
        "digest": one.image.digest,
        "platform": one.image.platform,
        "created": f"{one.created:%Y-%m-%dT%H:%M:%SZ}",
        "sizeBytes": one.size_bytes,
    }
