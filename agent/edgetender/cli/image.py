"""`edgetender image`: looks into images, lists the bases known by name, sends images to their registry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgetender.cli.group import Group
from edgetender.cli.image_removal import prune, remove
from edgetender.cli.image_words import name_faults, of_platform
from edgetender.cli.image_words import platform as platform_of
from edgetender.cli.output import Exit, Session, Style, options, options_but_output, say, table
from edgetender.cli.progress import bars
from edgetender.errors import ConfigInvalid, Permanent, Problem
from edgetender.packaging.base_catalogue import CATALOGUE
from edgetender.packaging.image_facts import of_layout
from edgetender.packaging.image_policy import PROFILES, Finding, judge
from edgetender.packaging.image_store import registry_of
from edgetender.packaging.push import push as send
from edgetender.packaging.push import split
from edgetender.packaging.recipes import NAMES, base_of, dockerfile
from edgetender.packaging.recipes import recipe as recipe_of
from edgetender.packaging.workspace import Workspace

_STORE = click.option("--store", type=click.Path(path_type=Path), help="Where layers and images are kept.")


@click.group(cls=Group)
def image() -> None:
    """Look into images, send them, and remove them."""


image.add_command(remove)
image.add_command(prune)


@image.command()
@options
@click.argument("reference", metavar="REF|oci:DIR")
@click.option(
    "--profile",
    type=click.Choice(tuple(PROFILES)),
    default="edgetender",
    show_default=True,
    help="Whose demands it has to meet.",
)
@of_platform
@_STORE
@click.pass_obj
def check(session: Session, reference: str, profile: str, platform: str, store: Path | None) -> Exit:
    """Say whether an image can be a base: what is in it, against what PROFILE wants. Nothing of it is run.

    Exit 7 when something does not fit.
    """
    base = Workspace(store).bases(say).find(reference, platform)
    facts = of_layout(base.path, platform)
    findings = judge(facts, profile)
    fits = not any(one.fits is False for one in findings)
    if session.for_people:
        session.print_lines(_finding_lines(findings, session.style()))
    else:
        head = {"apiVersion": "edgetender/v1", "kind": "ImageCheck", "image": reference}
        session.print_document(
            head
            | {"profile": profile, "fits": fits, "findings": [asdict(one) for one in findings]}
            | {"facts": asdict(facts)}
        )
    return Exit.OK if fits else Exit.DEGRADED


@image.command()
@options
@click.pass_obj
def bases(session: Session) -> Exit:
    """List the base images that have a name here."""
    if not session.for_people:
        content = [asdict(one) for one in CATALOGUE]
        session.print_document({"apiVersion": "edgetender/v1", "kind": "BaseImageList", "bases": content})
        return Exit.OK
    rows = [
        (one.name, one.accelerator, ",".join(one.architectures), one.reference, one.about)
        for one in CATALOGUE
    ]
    session.print_lines(table(rows, ("NAME", "ACCELERATOR", "ARCHITECTURES", "IMAGE", "WHAT")))
    for licence in sorted({one.licence for one in CATALOGUE if one.licence}):
        names = ", ".join(one.name for one in CATALOGUE if one.licence == licence)
        say(f"{names}: {licence}")
    return Exit.OK


@image.command()
@options_but_output
@click.argument("name", type=click.Choice(NAMES))
@click.option(
    "--platform",
    callback=platform_of,
    help="Which: linux/amd64 or linux/arm64; else the first that the recipe is for.",
)
@click.option(
    "--output", "folder", type=click.Path(path_type=Path), help="A directory for it; else it is printed."
)
@click.pass_obj
def recipe(session: Session, name: str, platform: str | None, folder: Path | None) -> Exit:
    """Write the Dockerfile of a base of your own, from a vendor's image, for ONNX Runtime on an accelerator.

    It pins ONNX Runtime, and has the labels by which a device whose driver or card does not fit refuses it. No test
    has built it: that takes a vendor's registry.
    """
    one = recipe_of(name)
    wanted = platform or f"linux/{one.architectures[0]}"
    text = dockerfile(one, wanted.removeprefix("linux/").partition("/")[0])
    base = base_of(one)
    if base.licence:
        say(f"licence: {base.reference}: {base.licence}")
    if folder is not None:
        _written(text, folder / "Dockerfile")
        if one.wheel:
            say(f"put ONNX Runtime's wheel for {one.python} into {folder}, then")
        say(f"build it: docker build --tag mybase:{one.name} {folder}")
        say(f"package on it: edgetender package ... --base mybase:{one.name}")
    if not session.for_people:
        head = {"apiVersion": "edgetender/v1", "kind": "BaseImageRecipe", "name": one.name}
        session.print_document(head | {"platform": wanted, "base": base.reference, "dockerfile": text})
    elif folder is None:
        session.print_lines(text.splitlines())
    return Exit.OK


def _written(text: str, path: Path) -> None:
    """What a person changed is not written over."""
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise Permanent(f"cannot write {path}: there is another one; name a new directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@image.command()
@options
@click.argument("reference")
@click.argument("name", metavar="[REGISTRY/NAME:TAG]", required=False)
@_STORE
@click.pass_obj
def push(session: Session, reference: str, name: str | None, store: Path | None) -> Exit:
    """Send an image of the store to the registry of its name, or under another name."""
    return send_image(session, reference, store, name)


def send_image(session: Session, reference: str, store: Path | None, name: str | None = None) -> Exit:
    """The same for `edgetender push`, which sends manifests too."""
    workspace = Workspace(store)
    layout = workspace.images.get(reference).layout
    if name is None and registry_of(reference) is None:
        again = f"edgetender image push {reference} REGISTRY/{reference}"
        text = f"{reference!r} names no registry; say where it goes: {again}"
        raise ConfigInvalid((Problem("IMAGE", "reference.invalid", text),))
    if name is not None and (faults := name_faults("NAME", name)):
        raise ConfigInvalid(tuple(faults))
    target = name or reference
    login = workspace.logins.get(split(target, "NAME" if name else "IMAGE")[0])
    with bars() as progress:
        digest = send(target, layout, login, progress=progress, say=say)
    document: dict[str, Any] = {
        "apiVersion": "edgetender/v1",
        "kind": "Pushed",
        "image": target,
        "digest": digest,
    }
    if session.for_people:
        session.print_lines([f"{target}@{digest}"])
    else:
        session.print_document(document)
    return Exit.OK


def _finding_lines(findings: tuple[Finding, ...], style: Style) -> list[str]:
    marks = {
        True: style.mark("✓", "ok", "green"),
        False: style.mark("✗", "no", "red"),
        None: style.mark("·", "-"),
    }
    rows = [
        (marks[one.fits], one.what, one.found, style.words(_ascii(one.wanted, style))) for one in findings
    ]
    return table(rows, ("", "WHAT", "FOUND", "WANTED"))


def _ascii(text: str, style: Style) -> str:
    return text.replace("≥", ">=") if style.plain else text
