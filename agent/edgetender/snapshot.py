"""What does the agent know right now? One immutable value, published by the reconciler after every cycle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed
from edgetender.model.plan import Plan
from edgetender.model.target import Target
from edgetender.model.upstream import Link, OutboxFigures

NO_LINK = Link("none", connected=False, detail="no transport is configured")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One cycle's inputs and conclusions. Threads read it without a lock: the reference is swapped whole.

    *at* is the wall time of the cycle's look at the device; *notes* are things an operator should know that
    belong to no module (the state database was rebuilt, the clock jumped).
    """

    at: datetime
    device: str
    agent_version: str
    started_at: datetime
    engine_down: str | None = None  # why the engine did not answer
    link: Link = NO_LINK
    ledger: Ledger = field(default_factory=Ledger)
    target: Target = field(default_factory=Target)
    observed: Observed = field(default_factory=Observed)
    plan: Plan = field(default_factory=Plan)
    hardware: Hardware = field(default_factory=Hardware)
    outbox: OutboxFigures = field(default_factory=OutboxFigures)
    notes: tuple[str, ...] = ()

    @property
    def uptime_s(self) -> float:
        """Seconds since the daemon started; never negative, also after the clock was set back."""
        return max(0.0, (self.at - self.started_at).total_seconds())
