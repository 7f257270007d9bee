"""When did it become true? Polling with a deadline, for parts that cannot wake us."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

HANGS_S = 60.0  # longer than anything that still comes takes on a busy machine: no promise, a way out
_pause = threading.Event()  # never set: an interruptible wait without a busy loop


class TimedOut(Exception):
    """What was waited for did not come about in time."""


def until(look: Callable[[], T | None], what: str, *, within_s: float = HANGS_S, every_s: float = 0.05) -> T:
    """Return the first truthy answer of *look*; raise TimedOut after *within_s* seconds, naming *what*."""
    deadline = time.monotonic() + within_s
    while True:
        if answer := look():
            return answer
        if time.monotonic() >= deadline:
            raise TimedOut(f"{what} did not happen within {within_s:g} s")
        _pause.wait(every_s)
