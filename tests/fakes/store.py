"""Store and Outbox in memory: what the SQLite ones promise, without a disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from edgetender.model.ledger import Decision, Delivery, HistoryEntry, Ledger
from edgetender.model.upstream import Message, OutboxFigures
from tests.fakes.clock import FakeClock


class FakeStore:
    """Forgets with its object. *full*, when set, is raised by every write."""

    def __init__(self) -> None:
        self.full: Exception | None = None
        self._ledger = Ledger()
        self._next = 1
        self._undecided: dict[int, Delivery] = {}
        self._decisions: dict[int, Decision] = {}
        self._history: dict[int, HistoryEntry] = {}

    def deliver(self, kind: str, source: str, body: bytes, now: datetime) -> int:
        self._refuse_when_full()
        number, self._next = self._next, self._next + 1
        self._undecided[number] = Delivery(number, kind, source, body, now)
        for surplus in list(self._undecided)[:-200]:
            self._decide(Decision(surplus, 503, "dropped unread: 200 newer deliveries waited"))
        return number

    def deliveries(self) -> tuple[Delivery, ...]:
        return tuple(self._undecided.values())

    def ledger(self) -> Ledger:
        return self._ledger

    def commit(
        self, ledger: Ledger, *, decisions: Iterable[Decision] = (), history: Iterable[HistoryEntry] = ()
    ) -> None:
        self._refuse_when_full()
        self._ledger = ledger
        for decision in decisions:
            self._decide(decision)
        self._history |= {entry.version: entry for entry in history}
        newest = sorted(self._history, reverse=True)
        self._history = {
            version: self._history[version] if place < 20 else replace(self._history[version], body="")
            for place, version in enumerate(newest[:50])
        }

    def decision(self, delivery: int) -> Decision | None:
        return self._decisions.get(delivery)

    def history(self, limit: int = 50) -> tuple[HistoryEntry, ...]:
        return tuple(self._history.values())[:limit]

    def close(self) -> None:
        """Nothing is open."""

    def _decide(self, decision: Decision) -> None:
        known = self._undecided.pop(decision.delivery, None) or self._decisions.get(decision.delivery)
        if known is not None:
            self._decisions[decision.delivery] = decision
        self._decisions = {number: self._decisions[number] for number in sorted(self._decisions)[-200:]}

    def _refuse_when_full(self) -> None:
        if self.full is not None:
            raise self.full


@dataclass(frozen=True)
class _Queued:
    message: Message
    until: float

    @property
    def size(self) -> int:
        return len(self.message.topic) + len(self.message.body) + 64


class FakeOutbox:
    """The queue as a list. Ages go by *clock*, the quota by *max_bytes*."""

    def __init__(
        self,
        clock: FakeClock | None = None,
        *,
        max_bytes: int = 32 * 1024 * 1024,
        max_age_s: float = 7 * 86400.0,
    ) -> None:
        self._clock = clock or FakeClock()
        self._max_bytes, self._max_age_s = max_bytes, max_age_s
        self._states: dict[str, tuple[Message, bool]] = {}
        self._queue: list[_Queued] = []
        self._next = 1
        self._accepted = self._delivered = self._dropped = 0

    def put_state(self, topic: str, body: bytes) -> bool:
        old = self._states.get(topic)
        if old is not None and old[0].body == body:
            return not old[1]
        self._states.pop(topic, None)  # a newer one goes to the end of the line
        self._states[topic] = (Message(topic, body, retain=True, id=self._id()), False)
        return True

    def append(self, topic: str, body: bytes, now: datetime, *, expiry_s: int | None = None) -> None:
        lifetime = self._max_age_s if expiry_s is None else min(self._max_age_s, expiry_s)
        queued = _Queued(
            Message(topic, body, id=self._id(), expiry_s=expiry_s), self._clock.monotonic() + lifetime
        )
        self._accepted += 1
        if queued.size > self._max_bytes:
            self._dropped += 1
            return
        self._queue.append(queued)
        while sum(each.size for each in self._queue) > self._max_bytes:
            cheapest = min(
                self._queue,
                key=lambda each: (not each.message.topic.startswith("telemetry/"), each.message.id),
            )
            self._queue.remove(cheapest)
            self._dropped += 1

    def head(self, limit: int = 20) -> tuple[Message, ...]:
        fresh = [each for each in self._queue if each.until > self._clock.monotonic()]
        self._dropped += len(self._queue) - len(fresh)
        self._queue = fresh
        states = tuple(message for message, acknowledged in self._states.values() if not acknowledged)
        return (states + tuple(each.message for each in self._queue))[:limit]

    def sent(self, message: Message) -> None:
        if message.retain:
            newest, _ = self._states.get(message.topic, (None, False))
            if newest is not None and newest.body == message.body:
                self._states[message.topic] = (newest, True)
            return
        kept = [each for each in self._queue if each.message.id != message.id]
        self._delivered += len(self._queue) - len(kept)
        self._queue = kept

    def resend_states(self) -> None:
        self._states = {topic: (message, False) for topic, (message, _) in self._states.items()}

    def figures(self) -> OutboxFigures:
        return OutboxFigures(
            queued=len(self._queue),
            queued_bytes=sum(each.size for each in self._queue),
            accepted=self._accepted,
            delivered=self._delivered,
            dropped=self._dropped,
        )

    def flush_due(self) -> None:
        """Nothing waits for a commit here."""

    def flush(self) -> None:
        """Nothing waits for a commit here."""

    def close(self) -> None:
        """Nothing is open."""

    def _id(self) -> int:
        number, self._next = self._next, self._next + 1
        return number
