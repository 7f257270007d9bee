"""Who calls run(), and what if it never returns? Threads that share one queue, and a watch on them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from edgetender_scoring.brief import Here, longest_s
from edgetender_scoring.jobs import Done, Job, ScoringTimeout, call_all, raise_in
from edgetender_scoring.message import Request
from edgetender_scoring.outcome import Handler, Outcome, message
from edgetender_scoring.waiting import Bell, Waiting

log = logging.getLogger("edgetender_scoring")

_ROW = 16  # calls as brief as the loop's own, until it stands by for them
_STOP_S = 5.0  # what a stopped call gets to come back
_NO_JOBS: list[Job] = []
_STUCK_PER_THREAD = 8  # beyond it a replacement would only be the next to be stuck


class _Worker:
    """One thread, which *bell* wakes. *jobs* (it works on), *stopped* and *abandoned* change under *lock* only."""

    __slots__ = ("abandoned", "begun", "bell", "jobs", "lock", "stopped", "thread")

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.lock = threading.Lock()
        self.jobs: list[Job] = []
        self.begun = 0.0
        self.stopped = 0.0
        self.abandoned = False
        self.thread: threading.Thread | None = None


class Pool:
    """Calls handlers for requests on threads (`grow` hires them), the briefest on the event loop, whose it is.

    A call past *timeout_ms* is answered at once. Where the handler can, it stops the call; else its thread is
    given up (native code cannot be stopped from outside) and replaced, so that one stuck request does not cost
    the service. *batch_wait_s*: how long a thread waits for more to make a batch of; *stand_by_s*: how long the
    loop leaves its connections alone at a time, while calls are brief.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_ms: int,
        batched: Callable[[int], None],
        batch_wait_s: float = 0.0,
        stand_by_s: float = 0.002,
    ) -> None:
        self._loop, self._timeout_ms, self._batched = loop, timeout_ms, batched
        self._batch_wait_s, self._stand_by_s = batch_wait_s, stand_by_s
        self._here = Here(loop, self._answer, batched)
        self._jobs: Waiting[Job | None] = Waiting()
        self._done: deque[Done] = deque()
        self._arrived: list[Job] = []
        self._waking = self._watching = False
        self._brief_calls = 0  # in a row
        self._standing_by = False
        self._heard = threading.Lock()  # what the loop stands by for: whoever has outcomes releases it
        self._heard.acquire()
        self._watch_s = min(max(timeout_ms / 20e3, 0.01), 1.0)
        self._workers: list[_Worker] = []
        self._stuck: list[_Worker] = []
        self.threads = 0
        self._longest_s = 0.0  # what takes less is brief
        self.in_flight = 0

    def grow(self, threads: int) -> None:
        """Have *threads* threads."""
        self._workers += [self._hire(Bell()) for _ in range(threads - self.threads)]
        self.threads = max(threads, self.threads)
        if not self._batch_wait_s:  # company comes only while the loop reads
            self._longest_s = longest_s(self.threads)

    @property
    def abandoned(self) -> int:
        """Threads still stuck in a call past its limit."""
        self._stuck = [w for w in self._stuck if w.thread is not None and w.thread.is_alive()]
        return len(self._stuck)

    @property
    def usable(self) -> bool:
        """Whether any thread can still take a request."""
        return bool(self._workers)

    @property
    def queued(self) -> int:
        """Requests that no thread has taken yet."""
        return len(self._jobs) + len(self._arrived) + len(self._here)

    def submit(self, handler: Handler, request: Request, deliver: Callable[[Outcome], None]) -> None:
        """Have *request* scored; *deliver* is called once, on the event loop."""
        self.in_flight += 1
        job = Job(handler, request, deliver)
        if not self._workers:
            self._loop.call_soon(self._answer, job, message(503, "Every scoring thread is stuck."))
            return
        takes_s = handler.takes_s(request)
        if takes_s < self._longest_s and self._here.open:
            self._here.take(job, takes_s)
            return
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(job)
        if not self._watching:
            self._watching = True
            self._loop.call_later(self._watch_s, self._watch)

    def _hand_over(self) -> None:
        """Give the threads all that has been read meanwhile: each exchange with them costs a switch."""
        arrived, self._arrived = self._arrived, []
        self._standing_by = self._brief_calls >= _ROW  # known before a thread is done
        self._jobs.put(arrived)
        if self._standing_by:
            self._stand_by()

    def _stand_by(self) -> None:
        """Let the threads work undisturbed, at most for a moment, then deliver what they have done.

        Where calls are brief, a loop that reads meanwhile would fight with them for Python's lock at every call.
        """
        self._deliver()  # after which a thread that has done something releases the lock
        more = self.in_flight > len(self._here)
        if not self._heard.acquire(timeout=self._stand_by_s if more else 0.0) and more and not self._done:
            self._brief_calls = 0
        self._standing_by = False
        self._deliver()
        if self.in_flight > len(self._here) and not self._arrived:
            self._loop.call_soon(self._hand_over)

    def close(self) -> bool:
        """Let the threads end when they are free; return whether all of them are."""
        self._jobs.put([None] * len(self._workers))
        return self.in_flight == 0 and not self.abandoned

    def _hire(self, bell: Bell) -> _Worker:
        worker = _Worker(bell)
        worker.thread = threading.Thread(target=self._work, args=(worker,), name="scoring", daemon=True)
        worker.thread.start()
        return worker

    def _work(self, worker: _Worker) -> None:
        with contextlib.suppress(ScoringTimeout):
            while (job := self._take(worker)) is not None:
                jobs = [job] if job.handler.batch == 1 else self._gather(worker, job)
                worker.begun = begun = time.monotonic()
                worker.jobs = jobs
                done = call_all(jobs)
                with worker.lock:
                    worker.jobs, worker.stopped = _NO_JOBS, 0.0
                    if worker.abandoned:
                        return
                self._done += done
                brief = time.monotonic() - begun < self._longest_s
                self._brief_calls = self._brief_calls + 1 if brief else 0
                if not self._standing_by:
                    self._wake()

    def _gather(self, worker: _Worker, first: Job) -> list[Job]:
        """Take what waits behind *first* for the same handler; a lone request waits only when told to."""
        jobs = [first]
        until = time.monotonic() + self._batch_wait_s if self._batch_wait_s else 0.0
        while len(jobs) < first.handler.batch:
            left = until - time.monotonic() if until else 0.0
            try:
                job = self._jobs.take(worker.bell, left) if left > 0 else self._jobs.take_now()
            except IndexError:
                break
            if job is None:
                self._jobs.put([None])  # the end comes after this batch
                break
            if job.handler is not first.handler:
                self._jobs.put_back(job)
                break
            jobs.append(job)
        self._batched(len(jobs))
        return jobs

    def _take(self, worker: _Worker) -> Job | None:
        """Return the next job; before waiting for one, let a loop that stands by deliver what is done."""
        try:
            return self._jobs.take_now()
        except IndexError:
            self._wake()
            return self._jobs.take(worker.bell)

    def _wake(self) -> None:
        """Have the loop deliver; one wake-up serves all that is done before it is heard."""
        if self._done and not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # released already; or the loop is closed: nobody waits
                if self._standing_by:
                    self._heard.release()
                else:
                    self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._waking = False  # before looking: what comes later wakes again
        while self._done:
            self._answer(*self._done.popleft())

    def _answer(self, job: Job, outcome: Outcome) -> None:
        if job.answered:
            return
        job.answered = True
        self.in_flight -= 1
        try:
            job.deliver(outcome)
        except Exception:  # one connection's trouble must not keep the others' answers back
            log.exception("an answer could not be delivered")

    def _watch(self) -> None:
        """Stop the calls that have passed their limit, or give their threads up."""
        now = time.monotonic()
        for worker in list(self._workers):
            with worker.lock:
                late = worker.jobs
                if not late or (now - worker.begun) * 1e3 < self._timeout_ms:
                    continue
                if self._stopping(worker, late[0].handler, now):
                    given_up = False
                else:
                    given_up = worker.abandoned = True
                    raise_in(worker.thread)
            if given_up:
                self._replace(worker)
            for job in late:
                text = f"Scoring timeout after {self._timeout_ms} ms"
                self._answer(job, message(500, text, failed=True))
        self._watching = self.in_flight > 0 or any(worker.stopped for worker in self._workers)
        if not self._workers:
            self._refuse_waiting()
        elif self._watching:
            self._loop.call_later(self._watch_s, self._watch)

    def _stopping(self, worker: _Worker, handler: Handler, now: float) -> bool:
        """Whether the handler stops the call on *worker*; it gets some time for it."""
        if worker.stopped:
            return now - worker.stopped < _STOP_S
        if worker.thread is None or worker.thread.ident is None or not handler.stop(worker.thread.ident):
            return False
        worker.stopped = now
        log.error("run() passed its limit of %d ms; it is stopped", self._timeout_ms)
        return True

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._stuck.append(worker)
        if self.abandoned <= self.threads * _STUCK_PER_THREAD:
            self._workers.append(self._hire(worker.bell))  # which the stuck one never waits for again
        log.error("run() passed its limit of %d ms; its thread is given up", self._timeout_ms)

    def _refuse_waiting(self) -> None:
        self._watching = False
        self._hand_over()
        with contextlib.suppress(IndexError):
            while (job := self._jobs.take_now()) is not None:
                self._answer(job, message(503, "Every scoring thread is stuck."))
