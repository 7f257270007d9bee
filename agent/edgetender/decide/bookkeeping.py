"""What is remembered of what happened? Outcomes and observations become the next ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.decide.backoff import FORGET_AFTER_S
from edgetender.decide.planner import pull_key, run_key
from edgetender.decide.resolving import resolution_key
from edgetender.errors import AgentError
from edgetender.model.ledger import Attempt, Death, Ledger
from edgetender.model.observed import Container, Observed, Status
from edgetender.model.plan import Create, Outcome, Pull, PullOutcome, Remove, Start, Stop
from edgetender.model.target import Target

_SIGNALLED = 128  # shells and engines say 128 + the signal that ended a process


def record(ledger: Ledger, outcome: Outcome, target: Target, now: datetime) -> Ledger:
    """The ledger after one step. A failed step counts against what it was for; a done one settles wishes."""
    step, error = outcome.step, outcome.error
    match step:
        case Pull(image=image):
            return _failed(ledger, pull_key(image.reference), error, now) if error else ledger
        case Create(module, spec):
            return _failed(ledger, run_key(module, spec.digest), error, now) if error else ledger
        case Start(module, container, again):
            if error is not None:
                wanted_spec = target.spec(module)
                if wanted_spec is None:
                    return ledger
                return _failed(ledger, run_key(module, wanted_spec.digest), error, now)
            wanted = ledger.restart_wanted - {container}
            restarts = dict(ledger.restarts)
            if again:
                restarts[module] = restarts.get(module, 0) + 1
            return replace(ledger, restarts=restarts, restart_wanted=wanted)
        case Stop() | Remove():
            return ledger


def record_pull(ledger: Ledger, outcome: PullOutcome, now: datetime) -> Ledger:
    """The ledger after a pull ended: its tag is resolved, or it failed and will be tried again."""
    reference = outcome.image.reference
    if outcome.error is not None:
        return _failed(ledger, pull_key(reference), outcome.error, now)
    resolved = dict(ledger.resolved)
    if outcome.pinned is not None:
        for slot in (ledger.candidate, ledger.accepted):
            if slot is not None:
                resolved.setdefault(resolution_key(slot, reference), outcome.pinned)
    return replace(ledger, resolved=resolved, attempts=_without(ledger.attempts, pull_key(reference)))


def note_deaths(
    ledger: Ledger,
    target: Target,
    observed: Observed,
    now: datetime,
    last_words: Mapping[str, tuple[str, ...]],
) -> Ledger:
    """Count containers of the target that ended since the last look, each end once."""
    for container in fresh_deaths(ledger, target, observed):
        reason = describe_exit(container)
        moment = container.finished_at or now
        deaths = dict(ledger.deaths)
        deaths[container.module] = Death(
            moment, container.exit_code, reason, tuple(last_words.get(container.id, ()))[-20:]
        )
        ledger = replace(ledger, deaths=deaths)
        if container.id not in ledger.restart_wanted:
            key = run_key(container.module, container.spec)
            ledger = replace(ledger, attempts=_counted(ledger.attempts, key, "container.exited", reason, now))
    return ledger


def fresh_deaths(ledger: Ledger, target: Target, observed: Observed) -> tuple[Container, ...]:
    """The target's containers whose end is not in the ledger yet."""
    return tuple(
        container
        for container in observed.containers
        if container.status is Status.EXITED
        and container.finished_at is not None
        and (spec := target.spec(container.module)) is not None
        and spec.digest == container.spec
        and ((known := ledger.deaths.get(container.module)) is None or known.at != container.finished_at)
    )


def describe_exit(container: Container) -> str:
    """`exited with code 3`, `out of memory`, `killed (SIGKILL)`."""
    code = container.exit_code
    if container.oom_killed:
        return "ran out of memory and was killed"
    if code is not None and code > _SIGNALLED:
        names = {130: "SIGINT", 132: "SIGILL", 134: "SIGABRT", 137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM"}
        return f"was ended by {names.get(code, f'signal {code - _SIGNALLED}')} (exit code {code})"
    return f"exited with code {code}"


def forget(ledger: Ledger, target: Target, observed: Observed, now: datetime) -> Ledger:
    """Drop what no longer matters: failures of what has been ready long enough, notes on slots that are gone."""
    attempts = dict(ledger.attempts)
    for spec in target.containers:
        for container in observed.of(spec.module):
            since = container.health.since
            if container.spec == spec.digest and container.ready and since is not None:
                long_enough = abs(now - since) >= timedelta(seconds=FORGET_AFTER_S)
                if long_enough:
                    attempts.pop(run_key(spec.module, spec.digest), None)
    kept = {slot.sha256[:16] for slot in (ledger.candidate, ledger.accepted) if slot is not None}
    resolved = {key: value for key, value in ledger.resolved.items() if key.split(" ", 1)[0] in kept}
    known = {container.id for container in observed.containers}
    wanted = ledger.restart_wanted & known if observed.engine_down is None else ledger.restart_wanted
    fresh = replace(ledger, attempts=attempts, resolved=resolved, restart_wanted=wanted)
    return fresh if fresh != ledger else ledger


def _failed(ledger: Ledger, key: str, error: AgentError, now: datetime) -> Ledger:
    return replace(ledger, attempts=_counted(ledger.attempts, key, error.code, str(error), now))


def _counted(
    attempts: Mapping[str, Attempt], key: str, code: str, reason: str, now: datetime
) -> dict[str, Attempt]:
    failures = attempts[key].failures + 1 if key in attempts else 1
    return {**attempts, key: Attempt(failures, now, code, reason)}


def _without(attempts: Mapping[str, Attempt], key: str) -> dict[str, Attempt]:
    return {name: attempt for name, attempt in attempts.items() if name != key}
