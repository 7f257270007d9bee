"""How far is it? On a terminal a bar for each blob and a line that moves; where nobody looks, the log's lines alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.output import Session, plain, say
from edgetender.cli.words import fetched, share, size

if TYPE_CHECKING:
    from rich.table import Table

Progress = Callable[[str, int, int], None]

_STEPS = 10  # how often the progress of a pull is said where nobody looks
_BAR = 24


def is_quiet() -> bool:
    """Whether whoever called wants no progress."""
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context is not None else None
    return session is not None and session.quiet


@contextmanager
def log() -> Iterator[Callable[[str], None]]:
    """Yield what takes a log line by line. On a terminal the last one stays below, with the time, until the end.

    Bars may come after it, not within: a terminal has one such place.
    """
    if is_quiet():
        yield lambda _line: None
        return
    if not sys.stderr.isatty():
        yield say
        return
    from rich.console import Console
    from rich.progress import Progress as Line
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Line(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=None)

        def tell(text: str) -> None:
            for line in plain(text).splitlines():
                console.print(line, markup=False, highlight=False, soft_wrap=True)
                shown.update(task, description=line[: console.width - 16])

        yield tell


@contextmanager
def bars() -> Iterator[Progress]:
    """Yield what takes (digest, bytes so far, bytes in all). The bars are on stderr, and gone at the end."""
    if is_quiet() or not sys.stderr.isatty():
        yield lambda _digest, _done, _whole: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {}

        def tell(digest: str, done: int, whole: int) -> None:
            if digest not in tasks:
                tasks[digest] = shown.add_task(digest[7:19], total=whole)
            shown.update(tasks[digest], completed=done)

        yield tell


@contextmanager
def modules(before: Any) -> Iterator[Callable[[Any], None]]:
    """Yield what takes the modules of a status, again and again; *before* are those that were there already.

    On a terminal they are a table that changes in its place, and stays as it was last; elsewhere each change is a line.
    """
    if is_quiet():
        yield lambda _modules: None
        return
    if not sys.stderr.isatty():
        said = {module["name"]: _line(module) for module in before}

        def tell(now: Any) -> None:
            for module in now:
                if said.get(module["name"]) != (line := _line(module)):
                    said[module["name"]] = line
                    say(f"  {module['name']}  {line}")

        yield tell
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield lambda now: live.update(_moving(now), refresh=True)


def _moving(now: Any) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2))
    for module in now:
        pull = module["pull"]
        bar = ProgressBar(pull["totalBytes"], pull["doneBytes"], _BAR) if pull and pull["totalBytes"] else ""
        told = fetched(pull) if pull else plain(module["why"].partition("\n")[0])
        words = Text(told, no_wrap=True, overflow="ellipsis")
        shown.add_row(Text(f"  {module['name']}"), Text("pulling" if pull else module["state"]), bar, words)
    return shown


def _line(module: Any) -> str:
    pull = module["pull"]
    if pull and pull["totalBytes"]:
        tenths = pull["doneBytes"] * _STEPS // pull["totalBytes"]
        return f"pulling  {share(tenths / _STEPS)} of {size(pull['totalBytes'])}"
    return f"{module['state']}  {module['why']}".rstrip()
