"""`edgetender image`: looks into images, lists the bases known by name, sends images to their registry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgetender.cli.output import Exit, Session, Style, options, say, table
from edgetender.cli.progress import bars
from edgetender.packaging.base_catalogue import CATALOGUE
from edgetender.packaging.image_facts import of_layout
from edgetender.packaging.image_policy import PROFILES, Finding, judge
from edgetender.packaging.push import push as send
from edgetender.packaging.push import split
from edgetender.packaging.workspace import Workspace

_STORE = click.option("--store", type=click.Path(path_type=Path), help="where layers and images are kept")


@click.group()
def image() -> None:
    """Look into images, and send them."""


@image.command()
@options
@click.argument("reference", metavar="REF|oci:DIR")
@click.option("--profile", type=click.Choice(tuple(PROFILES)), default="edgetender", show_default=True)
@click.option("--platform", default="linux/amd64", show_default=True)
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
@options
@click.argument("reference")
@_STORE
@click.pass_obj
def push(session: Session, reference: str, store: Path | None) -> Exit:
    """Send an image of the store to the registry of its name."""
    return send_image(session, reference, store)


def send_image(session: Session, reference: str, store: Path | None) -> Exit:
    """The same for `edgetender push`, which sends manifests too."""
    workspace = Workspace(store)
    login = workspace.logins.get(split(reference)[0])
    with bars() as progress:
        digest = send(reference, workspace.images.get(reference).layout, login, progress=progress, say=say)
    document: dict[str, Any] = {
        "apiVersion": "edgetender/v1",
        "kind": "Pushed",
        "image": reference,
        "digest": digest,
    }
    if session.for_people:
        session.print_lines([f"{reference}@{digest}"])
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
