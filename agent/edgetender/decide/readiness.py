"""Is a container ready, and who is asked next? A probe's answers become one word, and the next question's moment."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from edgetender.model.observed import Health, Readiness
from edgetender.model.target import HealthSpec

AT_ONCE = 4  # questions under way, each on a thread
SILENT_AT_ONCE = 3  # of them to containers that did not answer their last
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


def turns(ripe: Sequence[str], under_way: AbstractSet[str], silent: AbstractSet[str]) -> list[str]:
    """Who is asked now, of the containers whose turn it is: *ripe*, the longest due first.

    Those whose last question ended with its time-out, the *silent*, take turns on fewer threads than there are: so
    who answers never waits for their next one.
    """
    waiting = [container for container in ripe if container not in under_way]
    free = max(0, AT_ONCE - len(under_way))
    quick = [container for container in waiting if container not in silent][:free]
    spare = max(0, min(free - len(quick), SILENT_AT_ONCE - len(silent & under_way)))
    return quick + [container for container in waiting if container in silent][:spare]
