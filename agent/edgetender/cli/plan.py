"""`edgetender plan -f FILE`: what would a manifest change here? Touches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, Style, options, table

_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}


@click.command()
@options
@click.option("-f", "--file", type=FILE, required=True, help="A manifest; - for stdin.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 8 when something would change.")
@click.pass_obj
def plan(session: Session, file: Path, detailed_exitcode: bool) -> Exit:
    """Show what a manifest would change."""
    manifest = ManifestFile(file)
    with manifest.faults_located():
        document = session.client().post("/v1/plan", manifest.body())
    if session.for_people:
        session.print_lines(plan_lines(document, session.style()))
    else:
        session.print_document(document)
    pending = any(module["change"] in _SIGNS for module in document["modules"])
    return Exit.CHANGES_PENDING if detailed_exitcode and pending else Exit.OK


def plan_lines(document: Any, style: Style) -> Iterator[str]:
    """The plan document as a person reads it."""
    running = document["runningVersion"]
    against = "against nothing accepted yet" if running is None else f"against running version {running}"
    yield f"Manifest {document['deployment']} version {document['version']}  {against}"
    modules = [module for module in document["modules"] if module["change"] in _SIGNS]
    for module in modules:
        sign, color = _SIGNS[module["change"]]
        variant = f"  variant {module['variant']}" if module["variant"] else ""
        why = f"  ({module['why']})" if module["why"] else ""
        yield f"  {style.paint(sign, color)} {module['name']}{style.words(variant + why)}"
        rows = [(detail["what"], style.words(_step(detail))) for detail in module["details"]]
        yield from table(rows, indent="      ")
    yield from (f"{style.paint('!', 'yellow')} {style.words(note)}" for note in document["notes"])
    count = {change: sum(module["change"] == change for module in modules) for change in _SIGNS}
    if modules:
        yield f"Plan: {count['add']} to add, {count['change']} to change, {count['remove']} to remove."
    else:
        yield "Plan: nothing to change."


def _step(detail: Any) -> str:
    before = "-" if detail["from"] is None else str(detail["from"])
    after = "-" if detail["to"] is None else str(detail["to"])
    return f"{before} → {after}"
