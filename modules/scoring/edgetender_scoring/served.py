"""What does the server serve at present? Changed and read by the event loop only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgetender_scoring.outcome import Handler
from edgetender_scoring.swagger import Swagger

if TYPE_CHECKING:  # they need numpy, which scripts may do without
    from edgetender_scoring.repository import Repository


@dataclass(slots=True)
class Served:
    """*score* answers /score; without it the answer is status *absent* with the reason *why_not*."""

    score: Handler | None = None
    hardware: Handler | None = None
    """Reports where the model of /score runs; an entry script's model is its own affair."""
    raw: bool = False
    """Every method of /score reaches the handler."""
    swagger: Swagger | None = None
    ready: bool = False
    absent: int = 503
    why_not: str = "The model is not loaded yet."
    named: tuple[str, str] | None = None
    """Name and version of the model that answers /score, where they are known."""
    repository: Repository | None = None
    refresh: Callable[[], None] = lambda: None
    """Look at *repository* anew: a model has come or gone."""
