"""Which state the cloud shall have per topic, and whether it is known to have it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from edgetender.model.upstream import Message
from edgetender.store.database import crc


@dataclass(frozen=True, slots=True)
class _State:
    id: int
    body: bytes
    acknowledged: bool = False
    saved: bool = False


class States:
    """The newest state per topic, in memory; `save` writes what changed. Not thread-safe: its outbox is."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._count = 0

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> States:
        """A damaged row is left out: its topic is put anew, and sent."""
        states = cls()
        rows = connection.execute("SELECT topic, body, acknowledged, crc FROM states ORDER BY rowid")
        for topic, body, acknowledged, stored in rows:
            if crc(topic, body, acknowledged) == stored:
                states._count += 1
                states._states[topic] = _State(states._count, body, bool(acknowledged), saved=True)
        return states

    def put(self, topic: str, body: bytes) -> bool:
        """Whether this changed anything."""
        old = self._states.get(topic)
        if old is not None and old.body == body:
            return False
        self._count += 1
        # also where an older acknowledged body comes back: what was put in between may have been sent
        self._states[topic] = _State(self._count, body)
        return True

    def pending(self, topic: str) -> bool:
        state = self._states.get(topic)
        return state is not None and not state.acknowledged

    def waiting(self) -> tuple[Message, ...]:
        """Those to be sent, in the order they were put."""
        found = sorted(
            ((state.id, topic, state.body) for topic, state in self._states.items() if not state.acknowledged)
        )
        return tuple(Message(topic, body, retain=True, id=number) for number, topic, body in found)

    def acknowledge(self, topic: str, body: bytes) -> bool:
        """Whether *body* is still what the topic shall have."""
        state = self._states.get(topic)
        if state is None or state.body != body or state.acknowledged:
            return False
        self._states[topic] = replace(state, acknowledged=True, saved=False)
        return True

    def doubt_all(self) -> None:
        for topic, state in self._states.items():
            if state.acknowledged:
                self._states[topic] = replace(state, acknowledged=False, saved=False)

    @property
    def unsaved(self) -> bool:
        return any(not state.saved for state in self._states.values())

    @property
    def unsafe(self) -> bool:
        """Whether one is to be sent while the disk may still call its predecessor acknowledged.

        Sent, and then killed, we would come back, put the predecessor again, and believe the cloud had it.
        """
        return any(not state.saved and not state.acknowledged for state in self._states.values())

    def save(self, connection: sqlite3.Connection) -> None:
        """Write what changed; `saved` tells when that was committed."""
        connection.executemany(
            "INSERT OR REPLACE INTO states (topic, body, acknowledged, crc) VALUES (?, ?, ?, ?)",
            [
                (topic, state.body, int(state.acknowledged), crc(topic, state.body, int(state.acknowledged)))
                for topic, state in self._states.items()
                if not state.saved
            ],
        )

    def saved(self) -> None:
        self._states = {topic: replace(state, saved=True) for topic, state in self._states.items()}
