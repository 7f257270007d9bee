"""How far is it? A bar for each blob, on a terminal; nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]


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
