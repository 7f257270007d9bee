"""Who calls run(), and what if it never returns? Threads that share one queue, and a watch on them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from edgetender_scoring.message import Request
from edgetender_scoring.script import IN_SCRIPT, Outcome, message

log = logging.getLogger("edgetender_scoring")

_STUCK_PER_THREAD = 8  # beyond it a replacement would only be the next to be stuck


class ScoringTimeout(BaseException):
    """Raised inside a run() past its limit. No Exception, so that a script's own `except` lets it through."""


class _Job:
    __slots__ = ("answered", "begun", "deliver", "request")

    def __init__(self, request: Request, deliver: Callable[[Outcome], None]) -> None:
        self.request, self.deliver = request, deliver
        self.begun = 0.0
        self.answered = False


class _Worker:
    """One thread. *job* and *abandoned* change under *lock* only."""

    __slots__ = ("abandoned", "job", "lock", "thread")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.job: _Job | None = None
        self.abandoned = False
        self.thread: threading.Thread | None = None


class Pool:
    """Calls *call* for requests on *threads* threads. All methods belong to the event loop's thread.

    A call past *timeout_ms* is answered at once; its thread is given up (native code cannot be stopped from
    outside) and replaced, so that one stuck request does not cost the service.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        call: Callable[[Request], Outcome],
        threads: int,
        timeout_ms: int,
    ) -> None:
        self._loop, self._call, self._timeout_ms = loop, call, timeout_ms
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._done: deque[tuple[_Job, Outcome]] = deque()
        self._waking = False
        self._watching = False
        self._watch_s = min(max(timeout_ms / 20e3, 0.01), 1.0)
        self._workers = [self._hire() for _ in range(threads)]
        self._stuck: list[_Worker] = []
        self._most_stuck = threads * _STUCK_PER_THREAD
        self.threads = threads
        self.in_flight = 0

    @property
    def abandoned(self) -> int:
        """Threads still stuck in a call past its limit."""
        self._stuck = [w for w in self._stuck if w.thread is not None and w.thread.is_alive()]
        return len(self._stuck)

    @property
    def usable(self) -> bool:
        """Whether any thread can still take a request."""
        return bool(self._workers)

    def submit(self, request: Request, deliver: Callable[[Outcome], None]) -> None:
        """Have *request* scored; *deliver* is called once, on the event loop."""
        self.in_flight += 1
        job = _Job(request, deliver)
        if not self._workers:
            self._loop.call_soon(self._answer, job, message(503, "Every scoring thread is stuck."))
            return
        self._jobs.put(job)
        if not self._watching:
            self._watching = True
            self._loop.call_later(self._watch_s, self._watch)

    def close(self) -> bool:
        """Let the threads end when they are free; return whether all of them are."""
        for _ in self._workers:
            self._jobs.put(None)
        return self.in_flight == 0 and not self.abandoned

    def _hire(self) -> _Worker:
        worker = _Worker()
        worker.thread = threading.Thread(target=self._work, args=(worker,), name="scoring", daemon=True)
        worker.thread.start()
        return worker

    def _work(self, worker: _Worker) -> None:
        with contextlib.suppress(ScoringTimeout):
            while (job := self._jobs.get()) is not None:
                if job.request.given_up:
                    self._finish(job, message(499, "The client has gone."))
                    continue
                job.begun = time.monotonic()
                worker.job = job
                try:
                    outcome = self._call(job.request)
                except ScoringTimeout:
                    return
                except BaseException:
                    log.exception("run() raised what no script should")
                    outcome = message(500, IN_SCRIPT, failed=True)
                with worker.lock:
                    worker.job = None
                    if worker.abandoned:
                        return
                self._finish(job, outcome)

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        """Hand the outcome to the loop; one wake-up serves all that finish before it is heard."""
        self._done.append((job, outcome))
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._waking = False  # before looking: what comes later wakes again
        while self._done:
            self._answer(*self._done.popleft())

    def _answer(self, job: _Job, outcome: Outcome) -> None:
        if job.answered:
            return
        job.answered = True
        self.in_flight -= 1
        try:
            job.deliver(outcome)
        except Exception:  # one connection's trouble must not keep the others' answers back
            log.exception("an answer could not be delivered")

    def _watch(self) -> None:
        """Give up the threads whose call has passed its limit."""
        now = time.monotonic()
        for worker in list(self._workers):
            with worker.lock:
                job = worker.job
                if job is None or (now - job.begun) * 1e3 < self._timeout_ms:
                    continue
                worker.abandoned = True
                _raise_in(worker.thread)
            self._workers.remove(worker)
            self._stuck.append(worker)
            if self.abandoned <= self._most_stuck:
                self._workers.append(self._hire())
            log.error("run() passed its limit of %d ms; its thread is given up", self._timeout_ms)
            self._answer(job, message(500, f"Scoring timeout after {self._timeout_ms} ms", failed=True))
        self._watching = self.in_flight > 0
        if not self._workers:
            self._refuse_waiting()
        elif self._watching:
            self._loop.call_later(self._watch_s, self._watch)

    def _refuse_waiting(self) -> None:
        self._watching = False
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get_nowait()) is not None:
                self._answer(job, message(503, "Every scoring thread is stuck."))


def _raise_in(thread: threading.Thread | None) -> None:
    """Ask *thread* to leave Python code at its next instruction; it is given up, so nothing else is hit."""
    if thread is not None and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(ScoringTimeout)
        )
