"""In which order does a daemon that was put together start, and end?"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable

from edgetender import __version__
from edgetender.reconciler import Reconciler
from edgetender.systemd import Notifier
from edgetender.waking import Flags
from edgetender.worker import Worker

log = logging.getLogger(__name__)

EXIT_CRASHED = 70  # EX_SOFTWARE: systemd starts the daemon again
_JOIN_S = 8.0


class Daemon:
    """Everything built and not yet started."""

    def __init__(
        self,
        flags: Flags,
        reconciler: Reconciler,
        workers: list[Worker],
        endings: list[Callable[[], None]],
        stores: list[Callable[[], None]],
        notifier: Notifier,
    ) -> None:
        """*endings* make the workers end, *stores* close what they write to."""
        self._flags, self._reconciler, self._workers = flags, reconciler, workers
        self._endings, self._stores, self._notifier = endings, stores, notifier

    def run(self) -> int:
        """Start the workers, reconcile on this thread, and end all in reverse order with deadlines."""
        log.info("starting", extra={"fields": {"version": __version__, "pid": os.getpid()}})
        for worker in self._workers:
            worker.start()
        try:
            self._reconciler.run()
        except Exception as error:  # the main thread is a worker too: the exit code says so
            log.critical("the reconciler crashed", exc_info=error)
            self._flags.crash(error)
        self._flags.stop()
        self._notifier.stopping()
        ended = _all_done(reversed(self._endings))
        for worker in reversed(self._workers):
            if not worker.join(_JOIN_S):
                log.warning("a worker did not end in time", extra={"fields": {"worker": worker.name}})
        crashed = bool(self._flags.crashed)  # one that is late has no store any more: that is no crash
        ended &= _all_done(self._stores)
        log.info("stopped; containers keep running")
        return 0 if ended and not crashed else EXIT_CRASHED


def _all_done(endings: Iterable[Callable[[], None]]) -> bool:
    """Do each, whatever becomes of those before it: what is queued must reach the disk. Whether all went well."""
    well = True
    for end in endings:
        try:
            end()
        except Exception as error:
            log.critical("a part could not end", exc_info=error)
            well = False
    return well
