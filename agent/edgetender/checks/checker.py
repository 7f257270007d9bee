"""The checks as the daemon runs them: every hour, when asked, and told to the metrics and upstream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from edgetender.checks import all_checks
from edgetender.checks.device import Device
from edgetender.checks.finding import Result, Severity
from edgetender.checks.running import choose, run_checks
from edgetender.clock import Clock
from edgetender.errors import AgentError
from edgetender.eventlog import EventLog
from edgetender.model.topics import EventKind

log = logging.getLogger(__name__)

_FIRST_S = 60.0  # by then the link and the first pulls have had their chance
_LEVELS = {Severity.OK: 0, Severity.WARN: 1, Severity.ERROR: 2}
_KINDS = (EventKind.CHECK_PASSED, EventKind.CHECK_WARNED, EventKind.CHECK_FAILED)


class Checker:
    """`work` is the body of its thread; `latest` and `run` may be called from any.

    Of each check the newest result is kept. A change for the worse, or back, is an event.
    """

    def __init__(
        self,
        *,
        look: Callable[[], Device],
        clock: Clock,
        events: EventLog,
        levels: Callable[[dict[str, int]], None],
        ends: Callable[[dict[str, datetime]], None],
        interval_s: float,
        stopping: threading.Event,
    ) -> None:
        """*look* says what checks look with now; *levels* takes 0 ok, 1 warn, 2 error by check,
        *ends* until when certificates are good.
        """
        self._look, self._clock, self._events = look, clock, events
        self._levels, self._ends = levels, ends
        self._interval_s, self._stopping = interval_s, stopping
        self._lock = threading.Lock()
        self._results: dict[str, tuple[Result, datetime]] = {}

    def latest(self) -> tuple[tuple[Result, datetime], ...]:
        """The newest result of each check and when it was found; none before the first run."""
        with self._lock:
            return tuple(self._results[c.id] for c in all_checks() if c.id in self._results)

    def run(
        self, ids: Iterable[str] = (), skipped: Iterable[str] = (), *, fix: bool = False
    ) -> tuple[tuple[Result, datetime], ...]:
        """Run some or all now, within 12 s. Raises NotFound for an id that is none."""
        chosen = choose(all_checks(), ids, skipped)
        results = run_checks(chosen, self._look(), fix=fix)
        now = self._clock.now()
        with self._lock:
            before = dict(self._results)
            self._results |= {result.check.id: (result, now) for result in results}
            ends = {name: end for one, _ in self._results.values() for name, end in one.finding.ends}
            told = {name: _LEVELS.get(one.finding.severity) for name, (one, _) in self._results.items()}
        self._levels({name: level for name, level in told.items() if level is not None})
        self._ends(ends)
        for result in results:
            self._tell(before.get(result.check.id, (None, now))[0], result, now)
        return tuple((result, now) for result in results)

    def work(self) -> None:
        pause_s = min(_FIRST_S, self._interval_s)
        while not self._stopping.wait(pause_s):
            pause_s = self._interval_s
            try:
                self.run()
            except AgentError as error:  # a full disk is one of the things that checks are there to say
                log.warning("checks could not be told", extra={"fields": {"why": str(error)}})

    def _tell(self, before: Result | None, now: Result, at: datetime) -> None:
        was = _LEVELS.get(before.finding.severity, 0) if before is not None else 0
        level = _LEVELS.get(now.finding.severity)
        if level is None or level == was:
            return
        kind = _KINDS[level]
        said = {"check": now.check.id, "said": now.finding.said, "repair": now.finding.repair}
        log.log(logging.WARNING if level else logging.INFO, kind, extra={"fields": said})
        self._events.tell(kind, said, at)
