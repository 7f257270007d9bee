"""What is a call, and how is a thread that is stuck in one asked to leave it?"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Sequence

from edgetender_scoring.message import Request
from edgetender_scoring.outcome import IN_SCRIPT, Handler, Outcome, message

log = logging.getLogger("edgetender_scoring")


class ScoringTimeout(BaseException):
    """Raised inside a run() past its limit. No Exception, so that a script's own `except` lets it through."""


class Job:
    """A request on its way through the threads."""

    __slots__ = ("answered", "deliver", "handler", "request")

    def __init__(self, handler: Handler, request: Request, deliver: Callable[[Outcome], None]) -> None:
        self.handler, self.request, self.deliver = handler, request, deliver
        self.answered = False


def call_all(jobs: list[Job]) -> Sequence[Outcome]:
    """Have the handler of *jobs* score them; whatever it raises is an outcome. Raises ScoringTimeout."""
    handler = jobs[0].handler
    try:
        if len(jobs) == 1:
            return (handler.call(jobs[0].request),)
        return handler.call_many([job.request for job in jobs])
    except ScoringTimeout:
        raise
    except BaseException:
        log.exception("run() raised what no script should")
        return [message(500, IN_SCRIPT, failed=True)] * len(jobs)


def raise_in(thread: threading.Thread | None) -> None:
    """Ask *thread* to leave Python code at its next instruction; it is given up, so nothing else is hit."""
    if thread is not None and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(ScoringTimeout)
        )
