"""`edgetender history`: which versions came here, from where, and what became of them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from edgetender.cli.output import Exit, Session, Style, options, table
from edgetender.cli.words import ago

_HEADS = ("VERSION", "WHEN", "SOURCE", "RESULT", "CHANGES")


@click.command()
@options
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.pass_obj
def history(session: Session, limit: int) -> Exit:
    """List the versions this device has had, newest first."""
    body = session.client().get(f"/v1/history?limit={limit}")
    if session.for_people:
        session.print_lines(history_lines(json.loads(body), session.now(), session.style()))
    else:
        session.print_body(body)
    return Exit.OK


def history_lines(document: Any, now: datetime, style: Style) -> list[str]:
    """The history document as a person reads it."""
    rows = [
        (
            str(entry["version"]),
            ago(entry["receivedAt"], now),
            style.words(entry["source"]),
            style.words(entry["result"]),
            style.words(entry["changes"]),
        )
        for entry in document["versions"]
    ]
    return table(rows, _HEADS) if rows else ["no version has come here yet"]
