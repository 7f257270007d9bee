"""Does scoring a request surely take less than its way to a thread and back? Then the event loop does it itself.

The way costs 5 µs under load, and 40 and more where a thread has to be woken for each request. What a run takes
must be known before it begins, for nothing else is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from edgetender_scoring.jobs import Job, call_all
from edgetender_scoring.outcome import Outcome
from edgetender_scoring.tensors import Tensor

_RUN_S = 50e-6  # above it, threads that run beside each other gain more than the way to them costs
_CALL_S = 200e-6
_READ_S = 4e-9  # for a byte of JSON
_TURN_S = 0.001  # how long calls go on before the loop looks at its connections again
_SLOW_S = 0.05  # more than a busy machine takes from a process at a time
_CALM_S = 1.0
_BRANCHES = frozenset({"If", "Loop", "Scan"})
_CPU = "CPUExecutionProvider"


def longest_body(inputs: Sequence[Tensor], nodes: Iterable[tuple[str, str]], run_s: float) -> int:
    """Return how many bytes a request may have that is surely brief; 0 where none is.

    *nodes* are provider and operator of each; none are known: none is brief. *run_s* is a run of one row. Time must
    follow from the number of rows: nothing branches, nothing but the first axis is free, and a value is a byte or more.
    """
    found = list(nodes)
    if not found or any(provider != _CPU or operator in _BRANCHES for provider, operator in found):
        return 0
    if run_s > _RUN_S or any(-1 in one.shape[1:] or one.dtype.kind == "O" for one in inputs):
        return 0
    values = sum(math.prod(one.shape[1:]) for one in inputs)
    return int(_CALL_S / (run_s / max(values, 1) + _READ_S))


class Here:
    """Makes brief calls on the event loop, a millisecond at a time. *answer* is told each outcome."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Callable[[Job, Outcome], None],
        batched: Callable[[int], None],
    ) -> None:
        self._loop, self._answer, self._batched = loop, answer, batched
        self._waiting: deque[Job] = deque()
        self._shut_until = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def open(self) -> bool:
        """Whether calls have been as brief as foretold of late."""
        return not self._shut_until or self._loop.time() > self._shut_until

    def take(self, job: Job) -> None:
        """Have *job* done when the loop has read what there is to read."""
        if not self._waiting:
            self._loop.call_soon(self._work)
        self._waiting.append(job)

    def _work(self) -> None:
        end = self._loop.time() + _TURN_S
        while self._waiting:
            jobs = self._next()
            begun = self._loop.time()
            for job, outcome in zip(jobs, call_all(jobs), strict=True):
                self._answer(job, outcome)
            now = self._loop.time()
            if now - begun > _SLOW_S:
                self._shut_until = now + _CALM_S
            if now > end and self._waiting:
                self._loop.call_soon(self._work)
                return

    def _next(self) -> list[Job]:
        """Return the next of those that wait, and what goes together with it."""
        waiting = self._waiting
        first = waiting.popleft()
        jobs, handler = [first], first.handler
        most = handler.batch
        if most > 1:
            while waiting and len(jobs) < most and waiting[0].handler is handler:
                jobs.append(waiting.popleft())
            self._batched(len(jobs))
        return jobs
