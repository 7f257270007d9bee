"""What came of scoring a request, before it is an HTTP answer? Made on any thread, read by the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgetender_scoring.message import JSON, Request, to_json

IN_SCRIPT = "An unexpected error occurred in scoring script. Check the logs for more info."
IN_SERVER = "An unexpected internal error occurred. Check the logs for more info."


@dataclass(slots=True)  # not frozen: one is made for each request, and freezing triples its cost
class Outcome:
    """What came of one call. *failed*: run() itself failed; *exec_ms*: how long it ran, when it returned."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    failed: bool = False
    exec_ms: float | None = None


def message(status: int, text: str, *, failed: bool = False) -> Outcome:
    """An outcome in the form of the contract's errors."""
    return Outcome(status, to_json({"message": text}), failed=failed)


class Handler(Protocol):
    """Turns requests into outcomes. Used by several threads at once."""

    @property
    def batch(self) -> int:
        """How many waiting requests `call_many` may be given at once; 1: it is never called."""
        ...

    def takes_s(self, request: Request) -> float:
        """How many seconds a call takes at most; infinite where that is not known beforehand."""
        ...

    def call(self, request: Request) -> Outcome:
        """Score one request. A failure is an outcome too."""
        ...

    def call_many(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Score several; the outcomes in the order of the requests."""
        ...

    def stop(self, thread: int) -> bool:
        """Ask the call on the thread of that identity to end; False when there is no way to."""
        ...
