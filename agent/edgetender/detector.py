"""Keeps what is known of the hardware fresh: looks again when something shows that it changed, and every hour.

Looking may take seconds (a wedged driver costs five), so it has a thread of its own; who asks gets the last word.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from edgetender.clock import Clock
from edgetender.decide.explaining import facts_hash
from edgetender.model.hardware import Hardware

log = logging.getLogger(__name__)

CHECK_S = 10.0  # a lost accelerator is left within half a minute


class Looking(Protocol):
    """How the hardware is looked at. `signs` costs a millisecond and changes when `look` would say something else."""

    def look(self) -> Hardware: ...

    def signs(self) -> object: ...


class Detector:
    """`hardware` answers at once, from any thread; `work` is the body of its own."""

    def __init__(
        self,
        looking: Looking,
        clock: Clock,
        *,
        interval_s: float,
        changed: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        self._looking, self._clock, self._interval_s = looking, clock, interval_s
        self._changed, self._stopping = changed, stopping
        self._again = threading.Event()
        self._signs = looking.signs()
        self._hardware = looking.look()
        self._looked_at = clock.monotonic()

    def hardware(self) -> Hardware:
        return self._hardware

    def poke(self) -> None:
        """Have it look again soon: the engine came back, or somebody asked."""
        self._again.set()

    def work(self) -> None:
        while not self._stopping.is_set():
            self._again.wait(CHECK_S)
            if not self._stopping.is_set():
                self.step()

    def step(self) -> bool:
        """Look if there is a reason to; return whether the hardware is another now."""
        if asked := self._again.is_set():
            self._again.clear()  # only one that was seen: who pokes from now on has it looked at again
        signs = self._looking.signs()
        due = self._clock.monotonic() - self._looked_at >= self._interval_s
        if not (asked or due or signs != self._signs):
            return False
        self._signs, self._looked_at = signs, self._clock.monotonic()
        before, self._hardware = self._hardware, self._looking.look()
        if facts_hash(before) == facts_hash(self._hardware):
            return False
        log.info("the hardware changed", extra={"fields": {"facts": facts_hash(self._hardware)}})
        self._changed()
        return True
