"""Is a container ready? The answers of its probes become one word, and the moment of the next question."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edgetender.model.observed import Health, Readiness
from edgetender.model.target import HealthSpec

_STARTING_PAUSE_S = 0.1  # while it starts, ask often: the first ready answer is what everybody waits for


@dataclass(frozen=True, slots=True)
class Asked:
    """What the probes of one container have said so far."""

    health: Health = field(default_factory=Health)
    failures: int = 0
    ever_ready: bool = False


def fold(asked: Asked, refusal: str | None, spec: HealthSpec, running_s: float, now: datetime) -> Asked:
    """Return *asked* after one more answer; *refusal* None means it was ready, *running_s* how long it runs.

    Before it was ready once, only the deadline fails it (a model may take minutes to load); afterwards
    *spec.failures* refusals in a row do.
    """
    if refusal is None:
        since = asked.health.since if asked.health.readiness is Readiness.READY else now
        return Asked(Health(Readiness.READY, since), 0, ever_ready=True)
    failures = asked.failures + 1
    if asked.ever_ready:
        failing = failures >= spec.failures
    else:
        failing = running_s >= spec.deadline_s
    if not failing:
        stays = asked.health.readiness
        return Asked(Health(stays, asked.health.since, refusal), failures, asked.ever_ready)
    since = asked.health.since if asked.health.readiness is Readiness.FAILING else now
    return Asked(Health(Readiness.FAILING, since, refusal), failures, asked.ever_ready)


def pause_s(asked: Asked, spec: HealthSpec, running_s: float) -> float:
    """Seconds until the next question: often at first, then at the module's interval."""
    if asked.ever_ready:
        return spec.interval_s if asked.failures == 0 else min(spec.interval_s, 1.0)
    return min(spec.interval_s, max(_STARTING_PAUSE_S, running_s / 20))
