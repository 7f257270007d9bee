"""Does scoring a request surely take less than its way to a thread and back? Then the event loop does it itself.

The way costs 5 µs under load, and 40 and more where a thread has to be woken for each request, or shares its only core
with the loop. What a run takes must be known before it begins, for nothing else is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from edgetender_scoring.jobs import Done, Job, call_all
from edgetender_scoring.outcome import Outcome

if TYPE_CHECKING:  # it needs numpy, which scripts may do without
    from edgetender_scoring.tensors import Tensor

_LONGEST_S = 150e-6  # above it, threads that run beside each other gain more than the way to them costs
_LONGEST_ALONE_S = 500e-6  # one thread gains nothing; health waits for two such calls at most
_READ_S = 4e-9  # for a byte of JSON
_TRIES = 50  # the first dozen still are slower
_TURN_S = 0.001  # how long calls go on before the loop looks at its connections again
_SLOW_S = 0.05  # more than a busy machine takes from a process at a time
_CALM_S = 1.0
_BRANCHES = frozenset({"If", "Loop", "Scan"})
_CPU = "CPUExecutionProvider"


def seconds_per_byte(
    inputs: Sequence[Tensor], nodes: Iterable[tuple[str, str]], run_s: float, *, raw: bool = False
) -> float:
    """Return what a byte of a request takes at most; infinite where the size does not tell how long a run is.

    *nodes* are provider and operator of each; none are known: nothing is. *run_s* is a run of one row. The size tells
    where nothing branches and nothing but the first axis is free: a value is two bytes or more in JSON, and as many
    as its type has where it came as bytes; *raw*: all of the request are such.
    """
    found = list(nodes)
    if not found or any(provider != _CPU or operator in _BRANCHES for provider, operator in found):
        return math.inf
    if any(-1 in one.shape[1:] or one.dtype.kind == "O" for one in inputs):
        return math.inf
    if raw:
        return run_s / max(sum(math.prod(one.shape[1:]) * one.dtype.itemsize for one in inputs), 1)
    row = sum(math.prod(one.shape[1:]) * min(one.dtype.itemsize, 2) for one in inputs)
    return run_s / max(row, 1) + _READ_S


def longest_s(threads: int) -> float:
    """Return below which time a call is brief, where there are so many threads for the others."""
    return _LONGEST_ALONE_S if threads == 1 else _LONGEST_S


def quickest(run: Callable[[], object], usual_s: float) -> float:
    """Return what *run* takes when nothing else takes from the machine: the least of several times, in seconds."""
    least = usual_s
    for _ in range(_TRIES if usual_s < _LONGEST_ALONE_S else 0):
        begun = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - begun)
    return least


class Here:
    """Makes brief calls on the event loop, a millisecond at a time. *answer* is told each outcome."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Callable[[Job, Outcome], None],
        batched: Callable[[int], None],
    ) -> None:
        self._loop, self._answer, self._batched = loop, answer, batched
        self._waiting: deque[tuple[Job, float]] = deque()
        self._due = False
        self._shut_until = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def open(self) -> bool:
        """Whether calls have been as brief as foretold, of late."""
        return not self._shut_until or time.monotonic() > self._shut_until

    def take(self, job: Job, takes_s: float) -> None:
        """Have *job* done when the loop has read what there is to read; it takes *takes_s* at most."""
        self._waiting.append((job, takes_s))
        self._ask_for_a_turn()

    def _ask_for_a_turn(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Work for a millisecond; the rest waits until the loop has looked at its connections again.

        All calls first, then all answers: by turns, each would push the other's code out of the processor's caches.
        """
        self._due = False
        done: list[Done] = []
        try:
            now = time.monotonic()  # the loop's own time stands still meanwhile
            end = now + _TURN_S
            while self._waiting and now < end:
                jobs = self._next()
                done += call_all(jobs)
                begun, now = now, time.monotonic()
                if now - begun > _SLOW_S:
                    self._shut_until = now + _CALM_S
        finally:  # whatever became of these: those before them are answered, and those behind get their turn
            for job, outcome in done:
                self._answer(job, outcome)
            if self._waiting:
                self._ask_for_a_turn()

    def _next(self) -> list[Job]:
        """Return the next of those that wait, and what goes together with it within the time of a turn."""
        waiting = self._waiting
        first, left_s = waiting.popleft()
        left_s = _TURN_S - left_s
        jobs, handler = [first], first.handler
        if handler.batch > 1:
            while waiting and len(jobs) < handler.batch:
                job, takes_s = waiting[0]
                left_s -= takes_s
                if left_s < 0 or job.handler is not handler:
                    break
                jobs.append(job)
                waiting.popleft()
            self._batched(len(jobs))
        return jobs
