"""Asks containers whether they are ready, beside the reconciler, so that one that hangs delays nobody."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from edgetender.clock import Clock
from edgetender.decide.proving import PASSED, Answer, Progress, begun, request, untimed
from edgetender.decide.proving import after as proven
from edgetender.decide.readiness import AT_ONCE, Asked, fold, pause_s, turns
from edgetender.model.observed import Health, Readiness
from edgetender.model.target import HealthSpec, Proving
from edgetender.ports import Exchange, HealthProbe
from edgetender.worker import Worker

_IDLE_S = 60.0
_NEXT_PROOF_S = 0.5  # until a proof that met another's looks again
AGAIN_S = 3600.0  # what was proven is proven again: a container may lose its device and stay green


@dataclass(frozen=True, slots=True)
class Subject:
    """One running container to ask."""

    container: str
    address: str
    started_at: datetime
    spec: HealthSpec

    @property
    def question(self) -> tuple[object, ...]:
        """What is asked of which run: answers to another question are none to this one."""
        return (self.started_at, self.address, self.spec.port, self.spec.path, self.spec.proving)


@dataclass(frozen=True, slots=True)
class _Proof:
    """*again* is a later one under way, begun when it was due."""

    first: Progress
    again: Progress | None = None
    due: float = 0.0


class Prober:
    """Threads: `watch` and `health` from the reconciler, `work` on a thread of its own, `close` from any.

    `work` has each question asked on one of a few threads that it starts before the first: a thread that is started
    while memory is short may never run, and whoever starts it waits for it for ever (seen on Python 3.11).
    """

    def __init__(
        self, probe: HealthProbe, clock: Clock, wake: Callable[[], None], exchange: Exchange | None = None
    ) -> None:
        self._probe, self._clock, self._wake, self._exchange = probe, clock, wake, exchange
        self._proofs: dict[str, tuple[tuple[object, ...], _Proof]] = {}  # by container, of which question
        self._lock = threading.Lock()
        self._timing = threading.Lock()  # proofs are timed: one at a time, or they slow each other down
        self._under_way: set[str] = set()
        self._silent: set[str] = set()  # whose last question ended with its time-out
        self._mute: set[str] = set()  # whose last request of its proof had no answer
        self._turns: queue.SimpleQueue[Subject | None] = queue.SimpleQueue()
        self._crashed: BaseException | None = None
        self._changed = threading.Event()
        self._closed = False
        self._subjects: dict[str, Subject] = {}
        self._asked: dict[str, Asked] = {}
        self._due: dict[str, float] = {}
        self._met: dict[str, float] = {}  # when its first question was due
        self._began: dict[str, float] = {}  # by a clock that does not jump: a date learned late fails nobody

    def watch(self, subjects: Iterable[Subject]) -> None:
        """Ask exactly these from now on; one that was started again, or is asked something else, begins anew."""
        wanted = {subject.container: subject for subject in subjects}
        with self._lock:
            for container, subject in wanted.items():
                known = self._subjects.get(container)
                if known is None or known.question != subject.question:
                    self._asked[container] = Asked()
                    self._silent.discard(container)
                    self._mute.discard(container)
                    self._due[container] = self._clock.monotonic()
                    # who is asked something new while it runs has the whole deadline for it
                    anew = known is not None and known.started_at == subject.started_at
                    ran_s = 0.0 if anew else (self._clock.now() - subject.started_at).total_seconds()
                    self._met[container] = self._clock.monotonic()
                    self._began[container] = self._met[container] - max(0.0, ran_s)
                    self._changed.set()
            for container in self._subjects.keys() - wanted.keys():
                for known_of in (self._asked, self._due, self._met, self._began):
                    del known_of[container]
            self._subjects = wanted
            self._silent &= wanted.keys()
            self._mute &= wanted.keys()

    def health(self, container: str, started_at: datetime | None) -> Health:
        """What the probes said of *container* since it was started at *started_at*."""
        with self._lock:
            subject = self._subjects.get(container)
            if subject is None or subject.started_at != started_at:
                return Health()
            question, proof = self._proofs.get(container, (None, None))
            health = self._asked[container].health
            if proof is None or question != subject.question:
                return health
            return replace(health, p95_s=proof.first.p95_s)

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def work(self) -> None:
        """Have whoever is due asked; wait until the next is. Raises what a thread that asks raised."""
        for number in range(AT_ONCE):
            Worker(f"prober-{number}", self._take_turns, self._crash).start()
        try:
            while True:
                self._changed.clear()  # before the look: a close that comes now is not slept through
                if self._crashed is not None:
                    raise self._crashed
                if self._closed:
                    return
                now = self._clock.monotonic()
                for subject in self._begin(now):
                    self._turns.put(subject)
                self._changed.wait(self._pause(now))
        finally:
            for _ in range(AT_ONCE):
                self._turns.put(None)

    def ask_due(self) -> None:
        """Ask everyone whose turn it is, once, on this thread."""
        now = self._clock.monotonic()
        with self._lock:
            ripe = [self._subjects[name] for name in self._ripe(now)]
        for subject in ripe:
            self._ask(subject)

    def _ripe(self, now: float) -> list[str]:
        """The longest due first."""
        return sorted((name for name, due in self._due.items() if due <= now), key=self._due.__getitem__)

    def _begin(self, now: float) -> list[Subject]:
        with self._lock:
            chosen = turns(self._ripe(now), self._under_way, self._silent)
            self._under_way.update(chosen)
            return [self._subjects[name] for name in chosen]

    def _take_turns(self) -> None:
        while (subject := self._turns.get()) is not None:
            try:
                self._ask(subject)
            finally:
                with self._lock:
                    self._under_way.discard(subject.container)
                self._changed.set()

    def _crash(self, error: BaseException) -> None:
        self._crashed = error
        self._changed.set()

    def _prove(self, subject: Subject) -> tuple[Progress | None, float | None]:
        """One request more of its proof, on this thread, and how soon another may follow, where not at its interval.

        None where there is nothing to prove.
        """
        proving = subject.spec.proving
        if proving is None or self._exchange is None:
            return None, None
        question, proof = self._proofs.get(subject.container, (None, _Proof(begun(proving))))
        if question != subject.question:
            proof = _Proof(begun(proving))
        before = proof.first
        if before.failed or (before.ended and self._clock.monotonic() < proof.due):
            return before, None
        alone = subject.container not in self._mute  # one that does not answer holds up no other's proof
        if alone and not self._timing.acquire(blocking=False):
            return before, _NEXT_PROOF_S
        try:
            proof = self._proven_further(proof, proving, subject)
        finally:
            if alone:
                self._timing.release()
        with self._lock:
            known = {name: one for name, one in self._proofs.items() if name in self._subjects}
            self._proofs = known | {subject.container: (subject.question, proof)}
        return proof.first, 0.0 if not proof.first.ended and proof.first != before else None

    def _proven_further(self, proof: _Proof, proving: Proving, subject: Subject) -> _Proof:
        now = self._clock.monotonic()
        if not proof.first.ended:
            return _Proof(self._further(proof.first, proving, subject), due=now + AGAIN_S)
        again = self._further(proof.again or begun(untimed(proving)), untimed(proving), subject)
        if again.failed:
            return _Proof(replace(proof.first, ended=again.ended))
        return _Proof(proof.first, None, now + AGAIN_S) if again.ended else replace(proof, again=again)

    def _further(self, progress: Progress, proving: Proving, subject: Subject) -> Progress:
        if progress.ended or self._exchange is None:
            return progress
        ask = request(progress, proving)
        said = self._exchange(
            subject.address, proving.port, ask.method, ask.path, ask.body, proving.timeout_s
        )
        answer = Answer(*said)
        with self._lock:
            if answer.error and subject.container in self._subjects:
                self._mute.add(subject.container)
            else:
                self._mute.discard(subject.container)
        return proven(progress, proving, answer)

    def _pause(self, looked: float) -> float:
        """Until the next moment after *looked*: who was due then is being asked, or waits for a thread's end."""
        with self._lock:
            later = [due for due in self._due.values() if due > looked]
        now = self._clock.monotonic()
        return max(0.0, min(later, default=now + _IDLE_S) - now)

    def _ask(self, subject: Subject) -> None:
        spec, began = subject.spec, self._clock.monotonic()
        refusal = self._probe(subject.address, spec.port or 0, spec.path, spec.timeout_s)
        proof, soon_s = self._prove(subject) if refusal is None else (None, None)
        silent = refusal is not None or subject.container in self._mute
        silent = silent and (self._clock.monotonic() - began) * 2 >= spec.timeout_s
        if proof is not None and proof.ended != PASSED:
            refusal = f"not proven: {proof.ended}" if proof.failed else "being proven"
        now = self._clock.now()
        with self._lock:
            if self._subjects.get(subject.container) != subject:
                return
            before = self._asked[subject.container]
            # what ran before the agent came back is not late with a proof that only now begins
            unproven = proof is not None and not proof.ended
            since = self._met if unproven else self._began
            running_s = self._clock.monotonic() - since[subject.container]
            after = fold(before, refusal, spec, running_s, now)
            if proof is not None and proof.failed:  # it would be no other at the deadline
                after = Asked(Health(Readiness.FAILING, now, refusal or ""), after.failures)
            self._asked[subject.container] = after
            (self._silent.add if silent else self._silent.discard)(subject.container)
            pause = pause_s(after, spec, running_s) if soon_s is None else soon_s
            self._due[subject.container] = self._clock.monotonic() + pause
        if before.health.readiness is not after.health.readiness:
            self._wake()
