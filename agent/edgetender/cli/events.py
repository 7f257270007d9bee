"""`edgetender events`: what happened on this device since the agent started."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import click

from edgetender.cli.output import Exit, Session, Style, options

_KEPT = 256  # by the agent
_COLORS = {"failed": "red", "refused": "red", "rolled_back": "red", "ended": "yellow", "restarted": "yellow"}
_ELSEWHERE = ("id", "type", "device", "at", "log", "traceparent")


@click.command()
@options
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now.")
@click.option(
    "-n",
    "limit",
    type=click.IntRange(0, _KEPT),
    default=50,
    metavar="COUNT",
    help="At most so many, the newest.",
)
@click.option(
    "--type", "kind", metavar="PREFIX", default="", help="Only those, such as module or check.failed."
)
@click.pass_obj
def events(session: Session, follow: bool, limit: int, kind: str) -> Exit:
    """List what happened here since the agent started, oldest first."""
    style = session.style()
    asked = {"limit": limit, "type": kind} | ({"follow": 1} if follow else {})
    for line in session.client().lines(f"/v1/events?{urlencode(asked)}"):
        event = json.loads(line)
        if session.for_people:
            session.print_lines(event_lines(event, style))
        else:
            session.print_document(event, one_of_many=True)
    return Exit.OK


def event_lines(event: Any, style: Style) -> list[str]:
    """One event as a person reads it, with a container's last words below it."""
    at = datetime.fromisoformat(event["at"]).astimezone().strftime("%m-%d %H:%M:%S")
    kind = event["type"]
    said = "  ".join(f"{key}={_text(value)}" for key, value in event.items() if _is_told(key, value))
    head = (
        f"{at}  {style.paint(f'{kind:<22}', _COLORS.get(kind.rpartition('.')[2], ''))}  {style.short(said)}"
    )
    return [head.rstrip(), *(f"    | {style.words(line)}" for line in event.get("log", [])[-5:])]


def _is_told(key: str, value: object) -> bool:
    return key not in _ELSEWHERE and value not in (None, "")


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text
