"""Does the engine answer at all? Asked on a thread of its own: one that hangs sends no event, and ends no call."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgetender.errors import EngineDown

EVERY_S = 3.0


class Pulse:
    """Calls *ping* every few seconds. Threads: `work` is a Worker's body, the rest may be called from any.

    *ping* returns at once while the engine works, however busy it is, and raises EngineDown within seconds.
    """

    def __init__(self, ping: Callable[[], None], news: Callable[[], None], stopping: threading.Event) -> None:
        self._ping, self._news, self._stopping = ping, news, stopping
        self._silent: str | None = None

    def __call__(self) -> str | None:
        """Why it is down, as of the last time it was asked; None: it is not."""
        return self._silent

    def work(self) -> None:
        """Until `stopping`."""
        while not self._stopping.wait(EVERY_S):
            self.feel()

    def feel(self) -> None:
        """Ask once, and call *news* where it is otherwise than before."""
        before = self._silent
        try:
            self._ping()
            self._silent = None
        except EngineDown as error:
            self._silent = str(error)
        if (before is None) != (self._silent is None):
            self._news()
