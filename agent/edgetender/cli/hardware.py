"""`edgetender hardware`: what this device has, and how that is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from edgetender.api.client import Unreachable
from edgetender.cli.hardware_summary import summary_lines
from edgetender.cli.output import Exit, Session, Style, options, say, table
from edgetender.cli.words import size
from edgetender.model.facts_json import hardware_of

_VALUE_COLUMNS = 56  # a list of a hundred features is no column


@click.command()
@options
@click.option("--all", "everything", is_flag=True, help="Each fact; with -o wide also where it is from.")
@click.option("--local", is_flag=True, help="Look now, by this process, without asking the agent.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read a recorded tree below this directory; nothing is run, no agent is asked.",
)
@click.pass_obj
def hardware(session: Session, everything: bool, local: bool, root: Path | None) -> Exit:
    """Show what this device has, and what is unknown or wrong of it; --all shows each fact variants are chosen by."""
    try:
        body = _looked(root or Path("/")) if local or root else session.client().get("/v1/hardware")
    except Unreachable as error:
        if session.is_remote:  # this machine would answer for another
            raise
        say(f"{error}\nlooking without it:")
        body = _looked(Path("/"))
    if not session.for_people:
        session.print_body(body)
        return Exit.OK
    document, style, wide = json.loads(body), session.style(), session.output == "wide"
    if everything or wide:  # where a fact is from is asked of each
        session.print_lines(hardware_lines(document, style, wide=wide))
    else:
        session.print_lines(summary_lines(hardware_of(document["facts"]), style))
    return Exit.OK


def hardware_lines(document: Any, style: Style, *, wide: bool = False) -> list[str]:
    """Each fact of the hardware document as a person reads it; wide says where each fact is from."""
    heads = ("FACT", "VALUE", "SOURCE", "") if wide else ("FACT", "VALUE", "")
    rows = []
    for fact in document["facts"]:
        name = f"{fact['device']} {fact['name']}" if fact.get("device") else fact["name"]
        first, *more = wrap(_value(fact["name"], fact["value"]), _VALUE_COLUMNS) or [""]
        source = [fact["source"]] if wide else []
        rows.append([style.words(name), style.words(first), *source, style.words(fact["detail"])])
        rows += [["", style.words(line), *("" for _ in source), ""] for line in more]
    return table(rows, heads) if rows else ["nothing is known of this device"]


def _value(name: str, value: Any) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value) or "none"
        case int() | float() if name.endswith("_bytes"):
            return size(value)
        case _:
            return str(value)


def _looked(root: Path) -> bytes:
    from edgetender.api.answers import hardware as answer
    from edgetender.probes import detect

    return json.dumps(answer(detect(root.absolute(), now=datetime.now(UTC))), ensure_ascii=False).encode()
