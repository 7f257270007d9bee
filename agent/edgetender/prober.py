"""Asks containers whether they are ready, beside the reconciler, so that one that hangs delays nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from edgetender.clock import Clock
from edgetender.decide.proving import PASSED, Answer, Progress, begun, request, untimed
from edgetender.decide.proving import after as proven
from edgetender.decide.readiness import Asked, fold, pause_s
from edgetender.model.observed import Health, Readiness
from edgetender.model.target import HealthSpec, Proving
from edgetender.ports import Exchange, HealthProbe

_IDLE_S = 60.0
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
    """Threads: `watch` and `health` from the reconciler, `work` on a thread of its own, `close` from any."""

    def __init__(
        self, probe: HealthProbe, clock: Clock, wake: Callable[[], None], exchange: Exchange | None = None
    ) -> None:
        self._probe, self._clock, self._wake, self._exchange = probe, clock, wake, exchange
        self._proofs: dict[str, tuple[tuple[object, ...], _Proof]] = {}  # by container, of which question
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = False
        self._subjects: dict[str, Subject] = {}
        self._asked: dict[str, Asked] = {}
        self._due: dict[str, float] = {}
        self._began: dict[str, float] = {}  # by a clock that does not jump: a date learned late fails nobody

    def watch(self, subjects: Iterable[Subject]) -> None:
        """Ask exactly these from now on; one that was started again, or is asked something else, begins anew."""
        wanted = {subject.container: subject for subject in subjects}
        with self._lock:
            for container, subject in wanted.items():
                known = self._subjects.get(container)
                if known is None or known.question != subject.question:
                    self._asked[container] = Asked()
                    self._due[container] = self._clock.monotonic()
                    # who is asked something new while it runs has the whole deadline for it
                    anew = known is not None and known.started_at == subject.started_at
                    ran_s = 0.0 if anew else (self._clock.now() - subject.started_at).total_seconds()
                    self._began[container] = self._clock.monotonic() - max(0.0, ran_s)
                    self._changed.set()
            for container in self._subjects.keys() - wanted.keys():
                del self._asked[container], self._due[container], self._began[container]
            self._subjects = wanted

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
        """Ask whoever is due; wait until the next is."""
        while True:
            self._changed.clear()  # before the look: a close that comes now is not slept through
            if self._closed:
                return
            self.ask_due()
            self._changed.wait(self._pause())

    def ask_due(self) -> None:
        """Ask everyone whose turn it is, once."""
        for subject in self._ripe():
            self._ask(subject)

    def _ripe(self) -> list[Subject]:
        now = self._clock.monotonic()
        with self._lock:
            return [subject for name, subject in self._subjects.items() if self._due[name] <= now]

    def _prove(self, subject: Subject) -> tuple[Progress | None, bool]:
        """One request more of its proof, on this thread, and whether another may follow upon it.

        None where there is nothing to prove.
        """
        proving = subject.spec.proving
        if proving is None or self._exchange is None:
            return None, False
        question, proof = self._proofs.get(subject.container, (None, _Proof(begun(proving))))
        if question != subject.question:
            proof = _Proof(begun(proving))
        before = proof.first
        now = self._clock.monotonic()
        if not proof.first.ended:
            proof = _Proof(self._further(proof.first, proving, subject), due=now + AGAIN_S)
        elif proof.first.ended == PASSED and now >= proof.due:
            again = self._further(proof.again or begun(untimed(proving)), untimed(proving), subject)
            if again.failed:
                proof = _Proof(replace(proof.first, ended=again.ended))
            else:
                proof = (
                    _Proof(proof.first, None, now + AGAIN_S) if again.ended else replace(proof, again=again)
                )
        with self._lock:
            known = {name: one for name, one in self._proofs.items() if name in self._subjects}
            self._proofs = known | {subject.container: (subject.question, proof)}
        return proof.first, not proof.first.ended and proof.first != before

    def _further(self, progress: Progress, proving: Proving, subject: Subject) -> Progress:
        if progress.ended or self._exchange is None:
            return progress
        ask = request(progress, proving)
        said = self._exchange(
            subject.address, proving.port, ask.method, ask.path, ask.body, proving.timeout_s
        )
        return proven(progress, proving, Answer(*said))

    def _pause(self) -> float:
        with self._lock:
            nearest = min(self._due.values(), default=self._clock.monotonic() + _IDLE_S)
        return max(0.0, nearest - self._clock.monotonic())

    def _ask(self, subject: Subject) -> None:
        spec = subject.spec
        refusal = self._probe(subject.address, spec.port or 0, spec.path, spec.timeout_s)
        proof, goes_on = self._prove(subject) if refusal is None else (None, False)
        if proof is not None and proof.ended != PASSED:
            refusal = f"not proven: {proof.ended}" if proof.failed else "being proven"
        now = self._clock.now()
        with self._lock:
            if self._subjects.get(subject.container) != subject:
                return
            before = self._asked[subject.container]
            running_s = self._clock.monotonic() - self._began[subject.container]
            after = fold(before, refusal, spec, running_s, now)
            if proof is not None and proof.failed:  # it would be no other at the deadline
                after = Asked(Health(Readiness.FAILING, now, refusal or ""), after.failures)
            self._asked[subject.container] = after
            pause = 0.0 if goes_on else pause_s(after, spec, running_s)
            self._due[subject.container] = self._clock.monotonic() + pause
        if before.health.readiness is not after.health.readiness:
            self._wake()
