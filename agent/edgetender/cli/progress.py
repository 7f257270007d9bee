"""How far is it? On a terminal a bar for each blob and a line that moves; where nobody looks, the log's lines alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgetender.cli.output import plain, say

Progress = Callable[[str, int, int], None]


@contextmanager
def log() -> Iterator[Callable[[str], None]]:
    """Yield what takes a log line by line. On a terminal the last one stays below, with the time, until the end.

    Bars may come after it, not within: a terminal has one such place.
    """
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
    if not sys.stderr.isatty():
        yield lambda _digest, _done, _whole: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {}

        def tell(digest: str, done: int, whole: int) -> None:
            if digest not in tasks:
                tasks[digest] = shown.add_task(digest[7:19], total=whole)
            shown.update(tasks[digest], completed=done)

        yield tell
