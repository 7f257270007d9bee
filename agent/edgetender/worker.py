"""A thread of the daemon, under the rules all of them keep.

1. Every thread is a named Worker.
2. An unexpected exception in one ends the daemon (systemd restarts it): there is no half-dead agent.
3. Nothing sleeps; everything waits on an Event with a time-out, so that stopping is prompt.
4. Shared are exactly the Store, the Snapshot reference, metrics, and Events.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Worker:
    """Runs *work* once on a thread of its own; an exception from it calls *on_crash* with it."""

    def __init__(
        self, name: str, work: Callable[[], None], on_crash: Callable[[BaseException], None]
    ) -> None:
        self._work, self._on_crash = work, on_crash
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def name(self) -> str:
        return self._thread.name

    def start(self) -> None:
        self._thread.start()

    def join(self, deadline_s: float) -> bool:
        """Wait for its end; return whether it came."""
        if self._thread.ident is None:
            return True
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # rule 2: whatever it was, the daemon must know
            log.critical("a worker crashed", exc_info=error, extra={"fields": {"worker": self.name}})
            self._on_crash(error)
