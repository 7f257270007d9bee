"""A transfer broke: is it tried again? Where it got further than ever before; where it did not, a few times."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from edgetender.errors import RegistryUnreachable

_Done = TypeVar("_Done")
Say = Callable[[str], None]
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # a person waits: who wants to wait longer calls again, and it goes on


def _for_good(status: int | None) -> bool:
    """A registry that says no to the request itself says so again; not where it stands elsewhere, or is busy."""
    return status is not None and 400 <= status < 500 and status not in {408, 416, 429}  # noqa: PLR2004


class Reached:
    """How far a transfer of several blobs is: a progress function, that asks *also* the next one.

    What is told first of a blob in an attempt is what the far side (or this one) had of it before: bytes that are
    under way may yet be lost.
    """

    def __init__(self, also: Callable[[str, int, int], None] | None = None) -> None:
        self._also, self._before = also, dict[str, int]()
        self.moved = False

    def __call__(self, digest: str, done: int, whole: int) -> None:
        self._before.setdefault(digest, done)
        self.moved = self.moved or done > 0
        if self._also is not None:
            self._also(digest, done, whole)

    def begin(self) -> None:
        """An attempt begins."""
        self._before.clear()

    def before(self) -> int:
        """The bytes that were there when this attempt began."""
        return sum(self._before.values())


def kept_up(
    attempt: Callable[[], _Done],
    reached: Reached,
    say: Say,
    wait: Callable[[float], object] | None = None,
) -> _Done:
    """Return what *attempt* returns, called again while the registry is unreachable.

    Before the first byte, and after the fifth time in a row that brought nothing, RegistryUnreachable is raised:
    a wrong address is told at once. *wait* takes seconds.
    """
    best = failures = 0
    while True:
        reached.begin()
        try:
            return attempt()
        except RegistryUnreachable as error:
            failures = 1 if reached.before() > best else failures + 1
            best = max(best, reached.before())
            if not reached.moved or failures > len(_PAUSES_S) or _for_good(error.status):
                raise
            pause_s = max(_PAUSES_S[failures - 1], error.retry_after_s or 0)
            say(f"{error}; going on in {pause_s:.0f} s")
            (wait or threading.Event().wait)(pause_s)
