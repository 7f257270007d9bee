"""What does the server serve at present? Changed and read by the event loop only."""

from __future__ import annotations

from dataclasses import dataclass

from edgetender_scoring.outcome import Handler
from edgetender_scoring.swagger import Swagger


@dataclass(slots=True)
class Served:
    """*score* answers /score; without it the answer is status *absent* with the reason *why_not*."""

    score: Handler | None = None
    raw: bool = False
    """Every method of /score reaches the handler."""
    swagger: Swagger | None = None
    ready: bool = False
    absent: int = 503
    why_not: str = "The model is not loaded yet."
