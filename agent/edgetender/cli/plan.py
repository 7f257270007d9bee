"""`edgetender plan -f FILE`: what would a manifest change here? Touches nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, Style, options, table
from edgetender.cli.waiting import following
from edgetender.cli.words import size

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
        client = session.client()
        version = following(client.status()) if manifest.is_iotedge else 1
        body = client.send("/v1/plan", manifest.body(version))
    document = show_plan(session, body)
    pending = any(module["change"] in _SIGNS for module in document["modules"])
    return Exit.CHANGES_PENDING if detailed_exitcode and pending else Exit.OK


def show_plan(session: Session, body: bytes) -> Any:
    """Print the plan in *body*, the API's answer, and return it."""
    document = json.loads(body)
    if session.for_people:
        session.print_lines(plan_lines(document, session.style()))
    else:
        session.print_body(body)
    return document


def plan_lines(document: Any, style: Style) -> Iterator[str]:
    """The plan document as a person reads it."""
    running = document["runningVersion"]
    against = "against nothing accepted yet" if running is None else f"against running version {running}"
    yield f"Manifest {document['deployment']} version {document['version']}  {against}"
    modules = [module for module in document["modules"] if module["change"] in _SIGNS]
    pulls = {one["module"]: one for one in document["pulls"]}
    rows = [row for module in modules for row in _rows(module, pulls.get(module["name"]), style)]
    yield from table(rows, indent="  ")
    yield from _disk(document["disk"], style)
    told = {f"needs a pull: {pulls[m['name']]['image']}" for m in modules if m["name"] in pulls}
    notes = [note for note in document["notes"] if note not in told]
    yield from (f"{style.paint('!', 'yellow')} {style.short(note)}" for note in notes)
    count = {change: sum(module["change"] == change for module in modules) for change in _SIGNS}
    if modules:
        yield f"Plan: {count['add']} to add, {count['change']} to change, {count['remove']} to remove."
    else:
        yield "Plan: nothing to change."


def _disk(disk: Any, style: Style) -> Iterator[str]:
    if disk is not None:
        enough = disk["needBytes"] <= disk["haveBytes"]
        mark = style.mark("√", "[ok]", "green") if enough else style.mark("\u00d7", "[xx]", "red")
        short = "" if enough else "; see edgetender check disk-space"
        yield f"{mark} disk: needs {size(disk['needBytes'])}, {size(disk['haveBytes'])} are free{short}"


def _rows(module: Any, pull: Any, style: Style) -> Iterator[tuple[str, str, str]]:
    """One row for each thing that changes; the module's sign and name stand before the first."""
    sign, color = _SIGNS[module["change"]]
    head = f"{style.paint(sign, color)} {module['name']}"
    why = f"({module['why']})" if module["why"] else ""
    first = ("variant", f"{module['variant']}  {why}") if module["variant"] else ("", why)
    details = [(detail["what"], _step(detail)) for detail in module["details"]]
    details += [("pull", _pull(pull))] if pull else []
    details += [("rollout", module["rollout"])] if module["rollout"] else []
    for what, text in [first, *details] if any(first) or not details else details:
        yield head, what, style.short(text)
        head = ""


def _pull(pull: Any) -> str:
    if pull["bytes"] is None:
        return f"needed; size unknown: {pull['why']}"
    cached = f"{pull['layersCached']} of {pull['layers']} layers are here"
    return f"{size(pull['bytes'])} of {size(pull['totalBytes'])}; {cached}"


def _step(detail: Any) -> str:
    before = "-" if detail["from"] is None else str(detail["from"])
    after = "-" if detail["to"] is None else str(detail["to"])
    return f"{before} → {after}"
