"""What is a call, and how is a thread that is stuck in one asked to leave it?"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable

from edgetender_scoring.message import Request
from edgetender_scoring.outcome import IN_SCRIPT, Handler, Outcome, message

log = logging.getLogger("edgetender_scoring")

_GONE = "The client has gone."


class ScoringTimeout(BaseException):
    """Raised inside a run() past its limit. No Exception, so that a script's own `except` lets it through."""


class Job:
    """A request on its way through the threads."""

    __slots__ = ("answered", "deliver", "handler", "request")

    def __init__(self, handler: Handler, request: Request, deliver: Callable[[Outcome], None]) -> None:
        self.handler, self.request, self.deliver = handler, request, deliver
        self.answered = False


Done = tuple[Job, Outcome]


def call_all(jobs: list[Job]) -> list[Done]:
    """Have the handler of *jobs* score them, but those whose client has gone; what it raises is an outcome too.

    Raises ScoringTimeout.
    """
    try:
        if len(jobs) == 1:
            (job,) = jobs
            request = job.request
            return [(job, message(499, _GONE) if request.given_up else job.handler.call(request))]
        gone = [(job, message(499, _GONE)) for job in jobs if job.request.given_up]
        if gone:
            jobs = [job for job in jobs if not job.request.given_up]
            return gone + call_all(jobs) if jobs else gone
        outcomes = jobs[0].handler.call_many([job.request for job in jobs])
        return list(zip(jobs, outcomes, strict=True))
    except ScoringTimeout:
        raise
    except BaseException:
        log.exception("run() raised what no script should")
        return [(job, message(500, IN_SCRIPT, failed=True)) for job in jobs]


def raise_in(thread: threading.Thread | None) -> None:
    """Ask *thread* to leave Python code at its next instruction; it is given up, so nothing else is hit."""
    if thread is not None and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(ScoringTimeout)
        )
