"""Who counts what is asked, and tells the cloud each hour how far it drifted? On the collector's thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from edgetender_scoring.drift import Baseline, Window, rows_in
from edgetender_scoring.stream import Stream

WINDOW_S = 3600.0
_AGAIN_S = 30.0


class Drift:
    """Takes records, as the files do; *latest* may be read from any thread.

    An hour begins with its first request, and is told with the first after its end: of an hour without any there is
    nothing to tell.
    """

    def __init__(
        self, baseline: Baseline, stream: Stream | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._baseline, self._stream, self._clock = baseline, stream, clock
        self._window, self._since = Window(baseline), clock()
        self._untold: dict[str, Any] | None = None
        self._ask_at = 0.0
        self.latest: Mapping[str, Mapping[str, Any]] = {}
        if stream is not None:
            stream.end()  # one try at a time: counting does not wait

    def append(self, record: Mapping[str, Any]) -> bool:
        now = self._clock()
        if self._window.rows and not 0 <= now - self._since < WINDOW_S:
            self._tell(now)
        if not self._window.rows:
            self._since = now
        before = self._window.rows
        for row in rows_in(record["input"]):
            self._window.add(row)
        if self._window.rows > before:
            self.latest = self._window.summary()
        if self._untold is not None and now >= self._ask_at:
            self._send(now)
        return self._window.rows > before

    def end(self) -> None:
        """Nothing here waits."""

    def close(self) -> None:
        if self._window.rows:
            self._tell(self._clock())
        if self._untold is not None:
            self._send(self._clock())

    def _tell(self, now: float) -> None:
        """The hour is over; one that the agent did not take in time is lost to the next."""
        said = {
            "from": round(self._since, 3),
            "to": round(now, 3),
            "rows": self._window.rows,
            "features": self._window.summary(),
        }
        self._window = Window(self._baseline)
        if self._stream is not None:
            self._untold, self._ask_at = {"drift": said}, 0.0

    def _send(self, now: float) -> None:
        if self._stream is not None and self._untold is not None and self._stream.append(self._untold):
            self._untold = None
        self._ask_at = now + _AGAIN_S
