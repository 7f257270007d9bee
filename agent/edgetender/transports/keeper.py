"""When is a lost link tried again? On a thread of its own, after a back-off that grows and jitters."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edgetender.clock import Clock
from edgetender.errors import LinkDown
from edgetender.model.upstream import Batching, Link

log = logging.getLogger(__name__)

FIRST_S = 1.0


def ceiling_s(failures: int, cap_s: float) -> float:
    """The longest wait after *failures* in a row (1 or more): 1 s, doubled each time, at most *cap_s*."""
    return min(cap_s, FIRST_S * 2.0 ** min(failures - 1, 32))


class LinkKeeper:
    """Calls *attempt* again and again, one at a time, until `close`, and knows the state of the link.

    *attempt* blocks as long as its connection lives, calls `is_up` once it is established, and returns or
    raises LinkDown at its end. Waits are drawn evenly from nothing to the ceiling ("full jitter"), so that a
    fleet does not come back as one. A connection that outlived the last ceiling starts the count anew; one
    that ends at once again and again (two devices of one name, a full disk) is slowed down like a failure.

    Threads: *attempt* and *changed* run on the keeper's thread; everything else may be called from any.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        attempt: Callable[[], None],
        *,
        clock: Clock,
        cap_s: float,
        batching: Batching | None = None,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._attempt, self._clock, self._cap_s, self._draw = attempt, clock, cap_s, draw
        self._changed: Callable[[], None] = lambda: None
        self._link = Link(endpoint, connected=False, since=clock.now(), batching=batching)
        self._changing = threading.Lock()
        self._up_at = float("inf")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.closing = threading.Event()

    def open(self, changed: Callable[[], None]) -> None:
        """Start; *changed* is called each time the link comes up or goes down."""
        self._changed = changed
        self._thread.start()

    def link(self) -> Link:
        return self._link

    def is_up(self) -> None:
        """To be called by *attempt*: the far side took us."""
        self._up_at = time.monotonic()
        with self._changing:
            self._link = replace(self._link, connected=True, since=self._clock.now(), detail="")
        log.info("link up", extra={"fields": {"endpoint": self._link.endpoint}})
        self._changed()

    def note(self, detail: str) -> None:
        """Show *detail* while the link stands: what is wrong all the same, or nothing any more."""
        with self._changing:
            if self._link.connected:
                self._link = replace(self._link, detail=detail)

    def close(self, timeout_s: float) -> None:
        """Make no further attempt; wait for the one under way, which its owner ends."""
        self.closing.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self.closing.is_set():
            self._up_at = float("inf")
            self._down(self._try())
            lasted_s = time.monotonic() - self._up_at
            failures = 1 if lasted_s > ceiling_s(failures + 1, self._cap_s) else failures + 1
            self.closing.wait(self._draw(0.0, ceiling_s(failures, self._cap_s)))

    def _try(self) -> str:
        try:
            self._attempt()
        except LinkDown as error:
            return str(error)
        except Exception as error:  # what a far side sends must end its connection, never the agent
            log.exception("link broke", extra={"fields": {"endpoint": self._link.endpoint}})
            return f"cannot keep the link: {type(error).__name__}: {error}"
        return ""

    def _down(self, detail: str) -> None:
        with self._changing:
            before = self._link
            since = self._clock.now() if before.connected else before.since
            self._link = replace(before, connected=False, since=since, detail=detail)
        said = {"fields": {"endpoint": before.endpoint, "why": detail}}
        if before.connected:
            log.log(logging.INFO if self.closing.is_set() else logging.WARNING, "link down", extra=said)
            self._changed()
        elif detail != before.detail:
            log.warning("link still down", extra=said)
