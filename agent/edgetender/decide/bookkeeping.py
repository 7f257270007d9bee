"""What is remembered of what happened? Outcomes and observations become the next ledger. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from edgetender.decide.backoff import FORGET_AFTER_S
from edgetender.decide.exits import describe_exit
from edgetender.decide.resolving import Resolution, resolution_key
from edgetender.decide.stride import EXITED, front_key, image_key, is_done, pull_key, run_key
from edgetender.errors import AgentError, DiskFull, RegistryUnreachable, Transient
from edgetender.model.ledger import Attempt, Death, Ledger
from edgetender.model.observed import Container, Observed, Status
from edgetender.model.plan import (
    Compare,
    Create,
    EnsureFront,
    Forget,
    LowerFront,
    Outcome,
    Plan,
    Point,
    Pull,
    PullOutcome,
    Remove,
    RemoveImage,
    Start,
    Stop,
)
from edgetender.model.target import Target

T = TypeVar("T")

EARLIER_IMAGES = 128  # names resolved for versions that were left, kept for a rollback
_ENGINE_ENDS = timedelta(seconds=60)  # an engine that is told to end gives its containers time first
_WORDS_LINES, _WORDS_CHARS = 20, 500


def record(ledger: Ledger, outcome: Outcome, target: Target, now: datetime) -> Ledger:  # noqa: C901  # by step
    """The ledger after one step. A failed step counts against what it was for; a done one settles wishes."""
    step, error = outcome.step, outcome.error
    match step:
        case Pull(image=image):
            return _failed(ledger, pull_key(image.reference), error, now) if error else ledger
        case Create(module, spec):
            return _held_back(ledger, run_key(module, spec.digest), error, now) if error else ledger
        case Start(module, container, again):
            if error is not None and (made := target.spec(module)) is not None:
                ledger = _ended(ledger, run_key(module, made.digest))
            # a wish is one try: what did not start is tried again by its back-off, not at once for ever
            wanted = frozenset(run for run in ledger.restart_wanted if not run.startswith(f"{container}/"))
            if error is not None:
                ledger = replace(ledger, restart_wanted=wanted)
                wished = target.spec(module)
                return _held_back(ledger, run_key(module, wished.digest), error, now) if wished else ledger
            restarts = dict(ledger.restarts)
            if again:
                restarts[module] = restarts.get(module, 0) + 1
            return replace(ledger, restarts=restarts, restart_wanted=wanted)
        case EnsureFront(module) | Point(module) | Compare(module):
            if (served := target.spec(module)) is None:
                return ledger
            key = front_key(served)
            if error is not None:
                return _held_back(ledger, key, error, now)
            return (
                replace(ledger, attempts=_without(ledger.attempts, key)) if key in ledger.attempts else ledger
            )
        case RemoveImage(image):
            return _image_removed(ledger, image, error, now)
        case Stop() | Remove() | Forget() | LowerFront():
            return ledger


def record_pull(ledger: Ledger, outcome: PullOutcome, now: datetime) -> Ledger:
    """The ledger after a pull ended: its tag is resolved, or it failed and will be tried again."""
    reference = outcome.image.reference
    if outcome.error is not None:
        return _failed(ledger, pull_key(reference), outcome.error, now)
    resolved, traits = dict(ledger.resolved), dict(ledger.traits)
    for slot in (ledger.candidate, ledger.accepted):
        if slot is not None and outcome.pinned is not None:
            resolved.setdefault(resolution_key(slot, reference), outcome.pinned)
        if slot is not None and outcome.traits is not None:
            traits.setdefault(resolution_key(slot, reference), outcome.traits)
    pulled = dict(ledger.pulled)
    if outcome.fetched and outcome.pinned is not None:
        pulled[outcome.pinned] = now
    return replace(
        ledger,
        resolved=resolved,
        traits=traits,
        pulled=pulled,
        attempts=_without(ledger.attempts, pull_key(reference)),
    )


def note_deaths(
    ledger: Ledger,
    target: Target,
    observed: Observed,
    now: datetime,
    last_words: Mapping[str, tuple[str, ...]],
) -> Ledger:
    """Count containers of the target that ended since the last look, each end once.

    What ended because the engine went away, or before it was back, says nothing of the image.
    """
    lost = ledger.engine_lost_at
    if observed.engine_down is not None:
        return ledger if lost is not None else replace(ledger, engine_lost_at=now)
    for container in fresh_deaths(ledger, target, observed):
        reason = describe_exit(container)
        moment = container.finished_at or now
        ledger = _ended(ledger, run_key(container.module, container.spec))
        deaths = dict(ledger.deaths)
        words = _bounded(last_words.get(container.id, ()))
        deaths[container.module] = Death(moment, container.exit_code, reason, words, container.version)
        ledger = replace(ledger, deaths=deaths)
        spec = target.spec(container.module)
        if container.run not in ledger.restart_wanted and not (spec is not None and is_done(spec, container)):
            key = run_key(container.module, container.spec)
            excused = lost is not None and moment >= lost - _ENGINE_ENDS
            ledger = replace(
                ledger,
                attempts=_counted(ledger.attempts, key, EXITED, reason, now, excused=excused),
            )
    return ledger if lost is None else replace(ledger, engine_lost_at=None)


def fresh_deaths(ledger: Ledger, target: Target, observed: Observed) -> tuple[Container, ...]:
    """The target's containers whose end is not in the ledger yet; those we stopped ourselves are no news."""
    return tuple(
        container
        for container in observed.containers
        if container.status is Status.EXITED
        and container.finished_at is not None
        and container.id not in ledger.stopped
        and (spec := target.spec(container.module)) is not None
        and spec.digest == container.spec
        and ((known := ledger.deaths.get(container.module)) is None or known.at != container.finished_at)
    )


def intend(ledger: Ledger, stride: Plan, target: Target, observed: Observed) -> Ledger:
    """What is written down before *stride* begins: which ends will be our own doing, and each start.

    Without the first a version we come back to would look as if it had crashed, and one that is not to be
    restarted would stay down. Without the second what takes the machine down with it would be started for ever:
    nobody is left to count its failures.
    """
    wanted = {spec.digest for spec in target.containers}
    spec_of = {container.id: container.spec for container in observed.containers}
    ours = {step.container for step in stride.steps if isinstance(step, Stop)}
    replaced = {container for container in ours if spec_of.get(container) not in wanted}
    if not replaced <= ledger.stopped:
        ledger = replace(ledger, stopped=ledger.stopped | replaced)
    starts = [step.module for step in stride.steps if isinstance(step, Start)]
    keys = [run_key(spec.module, spec.digest) for spec in target.containers if spec.module in starts]
    if not keys:
        return ledger
    return replace(ledger, begun={**ledger.begun, **{key: ledger.begun.get(key, 0) + 1 for key in keys}})


def forget(
    ledger: Ledger, target: Target, observed: Observed, now: datetime, slots: Collection[Resolution]
) -> Ledger:
    """Drop what no longer matters, so that the ledger does not grow with the years.

    That is: failures of what has been ready long enough, and notes on modules, images, variants and containers
    that belong neither to *slots* (what the candidate and the accepted slot resolve to) nor to the engine.
    What earlier versions called their images stays for a while: a rollback must not need the registry.
    """
    healthy = {
        run_key(spec.module, spec.digest)
        for spec in target.containers
        if any(_ready_for_long(c, now) for c in observed.of(spec.module) if c.spec == spec.digest)
    }
    ready = {run_key(c.module, c.spec) for c in observed.containers if c.ready}
    keys = {run_key(spec.module, spec.digest) for one in slots for spec in one.containers}
    keys |= {pull_key(considered.image) for one in slots for considered in one.considered}
    keys |= {front_key(spec) for one in slots for spec in one.containers if spec.front_spec}
    keys |= {image_key(name) for name in ledger.pulled}
    modules = {considered.module for one in slots for considered in one.considered}
    variants = {(c.module, c.variant, c.image) for one in slots for c in one.considered}
    kept = {one.slot.sha256[:16] for one in slots}
    fresh = replace(
        ledger,
        attempts={k: a for k, a in ledger.attempts.items() if k in keys and k not in healthy},
        begun={key: count for key, count in ledger.begun.items() if key in keys and key not in ready},
        restarts={name: count for name, count in ledger.restarts.items() if name in modules},
        deaths={name: death for name, death in ledger.deaths.items() if name in modules},
        resolved=_newest(ledger.resolved, kept),
        traits=_newest(ledger.traits, kept),
        choices=_newest(ledger.choices, kept),
        measured={key: one for key, one in ledger.measured.items() if key.split(" ", 1)[0] in modules},
        demotions=tuple(d for d in ledger.demotions if (d.module, d.variant, d.image) in variants),
    )
    if observed.engine_down is None:
        runs = {container.run for container in observed.containers}
        ended = {container.id for container in observed.containers if not container.running}
        fresh = replace(
            fresh,
            restart_wanted=ledger.restart_wanted & runs,
            stopped=ledger.stopped & ended,
            pulled={name: at for name, at in ledger.pulled.items() if name in observed.images},
        )
    return fresh if fresh != ledger else ledger


def _newest(notes: Mapping[str, T], kept: Collection[str]) -> dict[str, T]:
    """Those of the manifests in *kept*, and the newest of earlier ones."""
    earlier = [key for key in notes if key.split(" ", 1)[0] not in kept]
    gone = frozenset(earlier[:-EARLIER_IMAGES])
    return {key: note for key, note in notes.items() if key not in gone}


def _ready_for_long(container: Container, now: datetime) -> bool:
    since = container.health.since
    return container.ready and since is not None and abs(now - since) >= timedelta(seconds=FORGET_AFTER_S)


def _bounded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(line[:_WORDS_CHARS] for line in words)[-_WORDS_LINES:]


def _ended(ledger: Ledger, key: str) -> Ledger:
    """One start less of which nobody knows what became of it."""
    if key not in ledger.begun:
        return ledger
    left = ledger.begun[key] - 1
    begun = {name: count for name, count in ledger.begun.items() if name != key}
    return replace(ledger, begun=begun | ({key: left} if left > 0 else {}))


def _held_back(ledger: Ledger, key: str, error: AgentError, now: datetime) -> Ledger:
    """An engine that went away or a full disk says nothing of the image: it shall cost no candidate."""
    return _failed(ledger, key, error, now, excused=isinstance(error, Transient))


def _failed(ledger: Ledger, key: str, error: AgentError, now: datetime, *, excused: bool = False) -> Ledger:
    attempts = _counted(ledger.attempts, key, error.code, str(error), now, excused=excused)
    if isinstance(error, RegistryUnreachable) and error.retry_after_s:
        attempts[key] = replace(attempts[key], asked_s=error.retry_after_s)
    return replace(ledger, attempts=attempts)


def _counted(
    attempts: Mapping[str, Attempt], key: str, code: str, reason: str, now: datetime, *, excused: bool = False
) -> dict[str, Attempt]:
    before = attempts.get(key) or Attempt(0, now, "", "")
    failures, forgiven = before.failures + (not excused), before.excused + excused
    return {**attempts, key: Attempt(failures, now, code, reason, forgiven)}


def _image_removed(ledger: Ledger, image: str, error: AgentError | None, now: datetime) -> Ledger:
    """Pulls that found no room are tried again at once: there is more of it."""
    if error is not None:
        return _failed(ledger, image_key(image), error, now)
    kept = {key: one for key, one in ledger.attempts.items() if one.code != DiskFull.code}
    return replace(ledger, attempts=kept, pulled=_without(ledger.pulled, image))


def _without(notes: Mapping[str, T], key: str) -> dict[str, T]:
    return {name: note for name, note in notes.items() if name != key}
