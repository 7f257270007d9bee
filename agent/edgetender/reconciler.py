"""The loop: see what is, decide what to do, do one stride of it, say what is. The only writer of containers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from edgetender.clock import Clock
from edgetender.decide.admission import floor_held
from edgetender.decide.bookkeeping import forget, fresh_deaths, intend, note_deaths, record, record_pull
from edgetender.decide.claiming import claims
from edgetender.decide.clock_set import counted
from edgetender.decide.failures import marked
from edgetender.decide.gating import cycle_begun, gate, is_frozen, no_switch, passage_of, went_on
from edgetender.decide.holding import STABLE, held
from edgetender.decide.intake import entry_of
from edgetender.decide.look import look_at
from edgetender.decide.measuring import noted as measured
from edgetender.decide.planner import plan
from edgetender.decide.resolving import Resolution, aim, resolve
from edgetender.decide.shadowing import compared
from edgetender.decide.stride import on_trial
from edgetender.decide.traffic import noted
from edgetender.decide.verdict import Accept, RollBack, Verdict, Wait, judge, settle
from edgetender.decide.weighing import on_scales, weighed
from edgetender.errors import AgentError
from edgetender.executor import Executor, Pulls
from edgetender.memory import Memory
from edgetender.model.gate import ALWAYS, Rules
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import BY_ITSELF, Ledger, Slot
from edgetender.model.observed import Observed
from edgetender.model.plan import Plan, PullOutcome
from edgetender.model.target import ContainerSpec, HealthSpec, Target
from edgetender.model.trace import MEMBER
from edgetender.observing import Observer
from edgetender.ports import Engine, Front, Store, Trust
from edgetender.tidier import Tidier

log = logging.getLogger(__name__)

_LAST_WORDS = 20


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle's inputs and conclusions: what the snapshot is made of."""

    at: datetime
    ledger: Ledger
    target: Target
    observed: Observed
    plan: Plan
    trouble: str | None = None  # why nothing can be written down at present


class PullQueue(Pulls, Protocol):
    """The puller, as the loop sees it."""

    def finished(self) -> tuple[PullOutcome, ...]: ...


class Reconciler:
    """Runs on the main thread. Every cycle starts from what is; events only shorten the wait between cycles."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        front: Front,
        observer: Observer,
        puller: PullQueue,
        clock: Clock,
        hardware: Callable[[], Hardware],
        publish: Callable[[Cycle], None],
        wake: threading.Event,
        stopping: threading.Event,
        interval_s: float,
        trust: Trust | None = None,
        rules: Rules = ALWAYS,
        keep_free_bytes: int = 0,
        climb_after_s: float = STABLE.total_seconds(),
        boot: int = 0,
    ) -> None:
        """*boot* is another number after each boot of the machine; 0 where nobody knows."""
        self._engine, self._observer, self._puller = engine, observer, puller
        self._clock, self._hardware, self._publish = clock, hardware, publish
        self._wake, self._stopping, self._interval_s = wake, stopping, interval_s
        self._rules, self._stable = rules, timedelta(seconds=climb_after_s)
        self._executor = Executor(engine, front, puller, stopping)
        self._memory, self._boot = Memory(store, trust), boot
        if not boot:  # boots look alike
            self._memory.ledger = replace(self._memory.ledger, ticking=None)
        self._tidier = Tidier(engine, self._memory, keep_free_bytes)

    def run(self) -> None:
        """Cycle until `stopping`. The wake flag is cleared before the look, so no wake-up is ever lost."""
        while True:
            self._wake.clear()
            if self._stopping.is_set():
                return
            self._wake.wait(self.cycle())

    def cycle(self) -> float:
        """Look, decide, do one stride; return how many seconds nothing needs to be done."""
        now = self._clock.now()
        ledger, observed, until = self._known(now)
        target = self._aim(ledger, observed, now)
        ledger = went_on(ledger, target, now)
        ledger = forget(ledger, target, observed, now, self._resolved(ledger))
        stride = plan(target, observed, ledger, now)
        stride = self._tidier.with_room(stride, target, observed, ledger, now)
        ledger, done, failed = self._do(stride, target, intend(ledger, stride, target, observed))
        self._publish(Cycle(now, ledger, target, observed, stride, self._memory.trouble))
        if done and not failed:
            return 0.0
        if failed:  # what failed waits for its back-off by now, not for the next interval
            now = self._clock.now()  # of before the failure, it would look as if the clock had gone backwards
            stride = plan(target, observed, ledger, now)
        return self._pause_s(now, stride.wake_at, until, *target.gate.moments)

    def _known(self, now: datetime) -> tuple[Ledger, Observed, datetime | None]:
        """What is, and all that follows from it but steps: what came, died, was judged and chosen. And until when."""
        ledger = counted(cycle_begun(self._memory.ledger), self._boot, self._clock.monotonic(), now)
        ledger = seen = self._collect_pulls(ledger, now)
        observed = self._look(ledger)
        ledger = self._memory.take_deliveries(floor_held(ledger, observed), observed)
        observed = self._seen_by(ledger, seen, observed)
        target, seen = self._aim(ledger, observed, now), ledger
        ledger = went_on(ledger, target, now)
        observed = self._seen_by(ledger, seen, observed)
        ledger = seen = self._bury(ledger, target, observed, now)
        ledger, until = self._judge(ledger, target, observed, now)
        observed = self._seen_by(ledger, seen, observed)
        return self._choose(ledger, observed, now), observed, until

    def _do(self, stride: Plan, target: Target, ledger: Ledger) -> tuple[Ledger, bool, bool]:
        """Apply *stride*; return what became of it, whether anything was done, and whether any of it failed."""
        self._memory.keep(ledger)
        done = failed = False
        for outcome in self._executor.apply(stride):
            done, failed = True, failed or outcome.error is not None
            ledger = record(ledger, outcome, target, self._clock.now())
            self._memory.keep(ledger)  # each outcome is on disk before the next step begins
        return ledger, done, failed

    def _seen_by(self, ledger: Ledger, before: Ledger, observed: Observed) -> Observed:
        """Once a candidate began, readiness is seen with its eyes: it may ask the same container otherwise."""
        eyes, eyes_before = ((one.candidate, passage_of(one).began) for one in (ledger, before))
        return observed if eyes == eyes_before else self._look(ledger)

    def _look(self, ledger: Ledger) -> Observed:
        candidate, accepted = self._both(ledger)
        begun = passage_of(ledger).began  # by then the ports are its own
        judged = _judged(accepted, candidate) if begun else _judged(candidate, accepted)
        return self._observer.look(judged, () if begun else claims(candidate, accepted))

    def _pause_s(self, now: datetime, *moments: datetime | None) -> float:
        due = [(moment - now).total_seconds() for moment in moments if moment is not None]
        return max(0.05, min([self._interval_s, *due]))

    def _collect_pulls(self, ledger: Ledger, now: datetime) -> Ledger:
        for outcome in self._puller.finished():
            image, error = outcome.image.reference, outcome.error
            if error is not None:
                log.warning(
                    "pull failed", extra={"fields": {"image": image, "code": error.code, "why": str(error)}}
                )
            elif outcome.pinned is not None:
                log.info(
                    "image pulled",
                    extra={"fields": {"image": outcome.pinned, "seconds": round(outcome.seconds, 1)}},
                )
            ledger = record_pull(ledger, outcome, now)
        return ledger

    def _aim(self, ledger: Ledger, observed: Observed, now: datetime) -> Target:
        candidate, accepted = self._both(ledger)
        found = gate(ledger, self._rules, observed, candidate, accepted, now)
        return replace(aim(candidate, accepted, observed, found), gate=found)

    def _resolve(self, slot: Slot | None, ledger: Ledger) -> Resolution | None:
        if slot is None:
            return None
        return resolve(slot, self._memory.manifest_of(slot), self._hardware(), ledger)

    def _both(self, ledger: Ledger) -> tuple[Resolution | None, Resolution | None]:
        """The candidate and the accepted version."""
        return self._resolve(ledger.candidate, ledger), self._resolve(ledger.accepted, ledger)

    def _resolved(self, ledger: Ledger) -> tuple[Resolution, ...]:
        return tuple(resolution for resolution in reversed(self._both(ledger)) if resolution is not None)

    def _choose(self, ledger: Ledger, observed: Observed, now: datetime) -> Ledger:
        """What failed, what was timed, and which variants are held on to or left for it."""
        look = look_at(self._hardware())
        ledger = marked(ledger, look, now)
        ledger = measured(ledger, self._timed(ledger), observed, look, now)
        frozen, shut, stable = is_frozen(ledger, now), no_switch(ledger, self._rules, now), self._stable
        return held(ledger, self._resolved(ledger), now, frozen=frozen, stable=stable, shut=shut)

    def _timed(self, ledger: Ledger) -> Iterator[tuple[ContainerSpec, tuple[str, ...]]]:
        return (each for one in self._resolved(ledger) for each in one.timed)

    def _bury(self, ledger: Ledger, target: Target, observed: Observed, now: datetime) -> Ledger:
        dead = fresh_deaths(ledger, target, observed)
        words = {}
        for container in dead:
            try:
                words[container.id] = tuple(self._engine.logs(container.id, tail=_LAST_WORDS))
            except AgentError:  # its end is news with or without its last words
                words[container.id] = ()
        ledger = note_deaths(ledger, target, observed, now, words)
        for container in dead:
            said = {"module": container.module, "why": ledger.deaths[container.module].reason}
            log.warning(
                "container ended", extra={"fields": said | {"last_words": list(words[container.id][-3:])}}
            )
        return ledger

    def _judge(
        self, ledger: Ledger, target: Target, observed: Observed, now: datetime
    ) -> tuple[Ledger, datetime | None]:
        applied = self._resolve(ledger.candidate if on_trial(target, ledger) else ledger.accepted, ledger)
        if applied is None:
            return settle(ledger, Wait(), now), None
        slot, ledger = applied.slot, noted(ledger, target, observed)
        memory = self._observer.weigh(on_scales(target, observed, ledger))
        ledger = weighed(ledger, target, observed, memory, now)
        seen, settle_s = compared(ledger, target, observed), self._memory.manifest_of(slot).update.settle
        verdict = judge(target, observed, seen, applied.considered, settle_s, now)
        after = settle(seen, verdict, now)
        if isinstance(verdict, Wait):
            return after, verdict.until
        if not self._close(ledger, after, verdict):
            return ledger, None  # a verdict that is not on disk is none; the next cycle comes to it again
        said = {"verdict": str(verdict), "version": slot.version}
        log.info("verdict", extra={"fields": said | ({MEMBER: slot.trace} if slot.trace else {})})
        return after, now

    def _close(self, before: Ledger, after: Ledger, verdict: Verdict) -> bool:
        """Write what became of the candidate into the history, with the ledger, at once."""
        candidate, accepted = before.candidate, before.accepted
        if candidate is None:
            return self._memory.keep(after)
        ends: list[tuple[Slot, str, str]] = []
        if isinstance(verdict, Accept):
            ends.append((candidate, "running", ""))
            if accepted is not None and accepted.edition != candidate.edition:
                back = candidate.edition < accepted.edition  # somebody went back to it
                ends.append((accepted, "superseded", candidate.source if back else ""))
        elif isinstance(verdict, RollBack) and after.candidate is None:
            ends.append((candidate, f"rolled back: {verdict.reason}", BY_ITSELF))
        at = self._clock.now()
        entries = [
            replace(entry_of(slot, end, self._memory.changes_of(slot)), finished_at=at, taken_back_by=by)
            for slot, end, by in ends
        ]
        return self._memory.keep(after, entries)


def _judged(*in_turn: Resolution | None) -> dict[str, HealthSpec]:
    """How readiness is judged, by container spec: where several run the same container, the last one says how."""
    return {spec.digest: spec.health for one in in_turn if one is not None for spec in one.containers}
