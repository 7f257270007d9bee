"""Store and Outbox in memory: what the SQLite ones promise, without a disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edgetender.clock import rfc3339
from edgetender.model.edition import Edition
from edgetender.model.ledger import Decision, Delivery, HistoryEntry, Ledger
from edgetender.model.upstream import (
    Message,
    OutboxFigures,
    StreamFigures,
    StreamPolicy,
    default_policy,
    stream_of,
)
from edgetender.store.sharing import shares
from tests.fakes.clock import FakeClock


class FakeStore:
    """Forgets with its object. *full*, when set, is raised by every write."""

    def __init__(self) -> None:
        self.full: Exception | None = None
        self._ledger = Ledger()
        self._next = 1
        self._undecided: dict[int, Delivery] = {}
        self._decisions: dict[int, Decision] = {}
        self._history: dict[Edition, HistoryEntry] = {}

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
        self._history |= {entry.edition: entry for entry in history}
        newest = sorted(self._history, reverse=True)[:50]
        self._history = {
            one: self._history[one] if place < 20 else replace(self._history[one], body="")
            for place, one in enumerate(newest)
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
    since: float
    at: datetime

    @property
    def stream(self) -> str:
        return stream_of(self.message.topic)

    @property
    def size(self) -> int:
        return len(self.message.topic) + len(self.message.body) + 64


class FakeOutbox:
    """The queue as a list. Ages go by *clock*, the quota by *max_bytes*, each stream by its policy."""

    def __init__(
        self,
        clock: FakeClock | None = None,
        *,
        max_bytes: int = 256 * 1024 * 1024,
        policies: Callable[[str], StreamPolicy] = default_policy,
    ) -> None:
        self._clock = clock or FakeClock()
        self._max_bytes, self._policies = max_bytes, policies
        self._states: dict[str, tuple[Message, bool]] = {}
        self._queue: list[_Queued] = []
        self._next = 1
        self._accepted: Counter[str] = Counter()
        self._delivered: Counter[str] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()

    def put_state(self, topic: str, body: bytes) -> bool:
        old = self._states.get(topic)
        if old is not None and old[0].body == body:
            return not old[1]
        self._states.pop(topic, None)  # a newer one goes to the end of the line
        self._states[topic] = (Message(topic, body, retain=True, id=self._id()), False)
        return True

    def append(
        self, topic: str, body: bytes, now: datetime, *, expiry_s: int | None = None, durable: bool = False
    ) -> bool:
        stream = stream_of(topic)
        policy = self._policies(stream)
        lifetime = policy.max_age_s if expiry_s is None else min(policy.max_age_s, expiry_s)
        told = policy.expiry_s if expiry_s is None else expiry_s
        message = Message(topic, body, id=self._id(), expiry_s=told)
        moment = self._clock.monotonic()
        queued = _Queued(message, moment + lifetime, moment, now)
        self._accepted[stream] += 1
        if queued.size > min(self._max_bytes, policy.max_bytes):
            self._dropped[stream, "oversized"] += 1
            return True
        self._queue.append(queued)
        while sum(each.size for each in self._queue if each.stream == stream) > policy.max_bytes:
            self._drop(next(each for each in self._queue if each.stream == stream), "stream_full")
        while sum(each.size for each in self._queue) > self._max_bytes:
            self._drop(min(self._queue, key=self._rank), "quota")
        return True

    def head(self, limit: int = 20) -> tuple[Message, ...]:
        for each in [each for each in self._queue if each.until <= self._clock.monotonic()]:
            self._drop(each, "age")
        states = tuple(message for message, acknowledged in self._states.values() if not acknowledged)[:limit]
        wanted = shares(
            Counter(each.stream for each in self._queue),
            lambda stream: self._policies(stream).priority,
            limit - len(states),
        )
        found = [each for stream, count in wanted.items() for each in self._of(stream)[:count]]
        return (*states, *(self._stamped(each) for each in sorted(found, key=lambda each: each.message.id)))

    def sent(self, message: Message, *, taken: bool = True) -> None:
        if message.retain:
            newest, _ = self._states.get(message.topic, (None, False))
            if newest is not None and newest.body == message.body:
                self._states[message.topic] = (newest, True)
            return
        kept = [each for each in self._queue if each.message.id != message.id]
        gone, stream = len(self._queue) - len(kept), stream_of(message.topic)
        if taken:
            self._delivered[stream] += gone
        elif gone:
            self._dropped[stream, "refused"] += gone
        self._queue = kept

    def resend_states(self) -> None:
        self._states = {topic: (message, False) for topic, (message, _) in self._states.items()}

    def figures(self) -> OutboxFigures:
        streams = tuple(self._figures(stream) for stream in sorted(self._accepted))
        return OutboxFigures(
            queued=len(self._queue),
            queued_bytes=sum(each.size for each in self._queue),
            accepted=self._accepted.total(),
            delivered=self._delivered.total(),
            dropped=self._dropped.total(),
            streams=streams,
        )

    def flush_due(self) -> None:
        """Nothing waits for a commit here."""

    def flush(self) -> None:
        """Nothing waits for a commit here."""

    def close(self) -> None:
        """Nothing is open."""

    def _figures(self, stream: str) -> StreamFigures:
        mine = self._of(stream)
        dropped = tuple(sorted((reason, n) for (name, reason), n in self._dropped.items() if name == stream))
        return StreamFigures(
            stream,
            len(mine),
            sum(each.size for each in mine),
            self._accepted[stream],
            self._delivered[stream],
            dropped,
            self._clock.monotonic() - mine[0].since if mine else 0.0,
        )

    def _of(self, stream: str) -> list[_Queued]:
        return [each for each in self._queue if each.stream == stream]

    def _stamped(self, each: _Queued) -> Message:
        """The clock of now knows better than that of then."""
        made = self._clock.now() - timedelta(seconds=self._clock.monotonic() - each.since)
        if abs((made - each.at).total_seconds()) <= 5:
            return each.message
        old, new = rfc3339(each.at), rfc3339(made)
        told = f'"at":"{new}","stampedAt":"{old}"'.encode()
        return replace(each.message, body=each.message.body.replace(f'"at":"{old}"'.encode(), told))

    def _rank(self, each: _Queued) -> tuple[int, int]:
        return self._policies(each.stream).priority, each.message.id

    def _drop(self, each: _Queued, reason: str) -> None:
        self._queue.remove(each)
        self._dropped[each.stream, reason] += 1

    def _id(self) -> int:
        number, self._next = self._next, self._next + 1
        return number
