"""`edgetender history`: which versions came here, from where, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from edgetender.cli.completion import versions
from edgetender.cli.edition import edition
from edgetender.cli.events import event_lines
from edgetender.cli.output import Exit, Session, Style, options, table
from edgetender.cli.words import ago
from edgetender.model.trace import trace_id

_HEADS = ("VERSION", "WHEN", "SOURCE", "BY", "RESULT", "CHANGES")


@click.command()
@options
@click.argument("version", callback=edition, required=False, shell_complete=versions)
@click.option(
    "--events", is_flag=True, help="With a version: also what happened to it, as far as that is kept."
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many of the newest.",
)
@click.pass_obj
def history(session: Session, version: int | str | None, events: bool, limit: int) -> Exit:
    """List the versions this device has had, newest first; or tell all of one VERSION."""
    if events and version is None:
        raise click.UsageError("--events is of one version: edgetender history VERSION --events")
    one = f"/{version}" if version is not None else f"?limit={limit}"
    body = session.client().get(f"/v1/history{one}")
    if not session.for_people:
        session.print_body(body)
        return Exit.OK
    document, now, style = json.loads(body), session.now(), session.style()
    if version is None:
        session.print_lines(history_lines(document, now, style))
    else:
        session.print_lines(version_lines(document, now, style))
        session.print_lines(events_of(document, style) if events else ())
    return Exit.OK


def history_lines(document: Any, now: datetime, style: Style) -> list[str]:
    """The history document as a person reads it."""
    rows = [
        (
            entry["name"],
            ago(entry["receivedAt"], now),
            style.words(entry["source"].partition(" (")[0]),
            style.words(_by(entry)),
            style.words(entry["result"]),
            style.words(entry["changes"]),
        )
        for entry in document["versions"]
    ]
    if not rows:
        return ["no version has come here yet"]
    back = next(
        (one["name"] for one in document["versions"] if one["result"].startswith("rolled back")), None
    )
    more = [f"what became of version {back}: edgetender history {back} --events"] if back is not None else []
    return [*table(rows, _HEADS), *more]


def version_lines(one: Any, now: datetime, style: Style) -> list[str]:
    """One version in full as a person reads it."""
    verdict, _, why = one["result"].partition(": ")
    ended = one["finishedAt"]
    if verdict == "applying":
        verdict += ": edgetender status says how far it is"
    rows = [
        ("result", verdict + (f", {ago(ended, now)} ({ended})" if ended else "")),
        *([("why", why)] if why else []),
        ("received", f"{ago(one['receivedAt'], now)} ({one['receivedAt']})"),
        ("source", f"{one['source']}, {'signed' if one['signed'] else 'not signed'}"),
        ("by", _by(one)),
        ("changes", one["changes"] or "-"),
        ("sha256", one["sha256"]),
        ("trace", trace_id(one["traceparent"] or "") or "-"),
        ("kept", f"yes: edgetender rollback --to {one['name']}" if one["kept"] else "no, too old"),
    ]
    told = table([(name, style.words(text)) for name, text in rows], indent="  ")
    return [f"{one['deployment']} version {one['name']}", *told]


def _by(one: Any) -> str:
    """Who had the last word on it. Upstream names nobody, but what was signed shows that somebody was entitled."""
    return one.get("by") or ("signed" if one.get("epoch") else "-")


def events_of(one: Any, style: Style) -> Iterator[str]:
    """What happened to that version as a person reads it, oldest first."""
    if not one["events"]:
        yield "no event of it is kept: the newest 256 are, since the agent started"
    for event in one["events"]:
        yield from event_lines(event, style)
