"""`edgetender watch`: the device as it changes, full-screen on a terminal, one document a line for scripts."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.events import event_lines
from edgetender.cli.output import Exit, Session, Style, options
from edgetender.cli.status import status_lines
from edgetender.errors import AgentError

if TYPE_CHECKING:
    from rich.console import RenderableType

_EVENTS = 12
_VOLATILE = ("uptimeSeconds",)  # it changes without anything happening


@click.command()
@options
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=2.0, metavar="SECONDS", help="Between two looks."
)
@click.option("-n", "count", type=click.IntRange(1), metavar="COUNT", help="End after so many looks.")
@click.pass_obj
def watch(session: Session, interval: float, count: int | None) -> Exit:
    """Watch the device; q or Ctrl-C ends it. Piped, each change of the status is one line of JSON."""
    if session.for_people and sys.stdout.isatty():
        return _full_screen(session, interval, count)
    return _documents(session, interval, count)


def _documents(session: Session, interval: float, count: int | None) -> Exit:
    client, before, looks = session.client(), None, 0
    if session.for_people:
        session.output = "json"
    while True:
        status = client.status()
        steady = {key: value for key, value in status.items() if key not in _VOLATILE}
        steady["upstream"] = {**status["upstream"], "roundTripSeconds": None}
        if steady != before:
            session.print_document(status, one_of_many=True)
            sys.stdout.flush()  # a reader at the other end of a pipe waits for it
        before, looks = steady, looks + 1
        if looks == count:
            return Exit.OK
        session.pause(interval)


def _full_screen(session: Session, interval: float, count: int | None) -> Exit:
    from rich.live import Live

    session.client().status()  # without an agent this says so, before the screen is taken
    style, looks = session.style(), 0  # before, too: what stands in for stdout then says no encoding
    with _keys() as pressed, Live(_screen(session, style), screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(session, style), refresh=True)
            looks += 1
            if looks == count or pressed(interval) in ("q", "Q", "\x1b", "\x03", "\x04"):
                return Exit.OK


def _screen(session: Session, style: Style) -> RenderableType:
    from rich.text import Text

    client = session.client()
    try:
        lines = list(status_lines(client.status(), session.now(), style))
        lines += ["", *_happened(client.lines(f"/v1/events?limit={_EVENTS}"), style)]
    except AgentError as error:  # it may be restarting: the next look tells
        lines = [str(error)]
    text = Text.from_ansi("\n".join([*lines, "", "q ends this"]))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _happened(lines: Iterator[str], style: Style) -> Iterator[str]:
    import json

    for line in lines:
        yield from event_lines({**json.loads(line), "log": []}, style)


@contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits so many seconds for a key; "" for none. The terminal is as it was afterwards."""
    if not sys.stdin.isatty():
        yield lambda seconds: select.select([], [], [], seconds) and ""
        return
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield (
            lambda seconds: (
                os.read(number, 1).decode(errors="replace")
                if select.select([number], [], [], seconds)[0]
                else ""
            )
        )
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
