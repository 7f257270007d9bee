"""What happened on this device lately? Each event once: into the outbox, and for whoever looks here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from edgetender.clock import rfc3339
from edgetender.codec import canonical
from edgetender.model.topics import EventKind, is_of
from edgetender.model.upstream import StreamFigures
from edgetender.ports import Outbox

_EXPIRY_S = 7 * 86400
_KEPT = 256  # in memory: what survives a restart is the history, and the cloud's copy


class EventLog:
    """Threads: any."""

    def __init__(self, device: str, outbox: Outbox, started_at: datetime, hook: Outbox | None = None) -> None:
        """*hook* is what waits for a service of the owner's own."""
        self._device, self._outbox, self._hook = device, outbox, hook
        self._prefix = f"{int(started_at.timestamp() * 1000):x}"  # ids of two runs of the agent differ
        self._changed = threading.Condition()
        self._entries: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_KEPT)
        self._count = 0  # of ids; a slow disk may let a later event be shown before an earlier one
        self._shown = 0
        self._turn = 0

    def tell(self, kind: EventKind, said: Mapping[str, Any], at: datetime) -> None:
        """Queue it for the cloud, durably, and show it to who follows. Raises StoreDamaged."""
        with self._changed:
            self._count += 1
            number = self._count
        event = {
            "id": f"{self._prefix}-{number}",
            "type": kind,
            "device": self._device,
            "at": rfc3339(at),
            **said,
        }
        self._outbox.append(f"event/{kind}", canonical(event), at, expiry_s=_EXPIRY_S)
        if self._hook is not None:
            self._hook.append("webhook", canonical(event), at)
        with self._changed:
            self._shown += 1
            self._entries.append((self._shown, event))
            self._turn += 1
            self._changed.notify_all()

    def waiting(self) -> tuple[StreamFigures, ...]:
        """What waits for the owner's service, and what was lost to its bounds."""
        return self._hook.figures().streams if self._hook is not None else ()

    def nudge(self) -> None:
        """Something else changed that is worth another look: `wait` returns."""
        with self._changed:
            self._turn += 1
            self._changed.notify_all()

    def recent(self, limit: int = _KEPT, kind: str = "") -> tuple[dict[str, Any], ...]:
        """The newest *limit* that are of *kind* (`is_of`), oldest first."""
        return self.since(0, kind)[1][-limit:] if limit > 0 else ()

    def wait(self, turn: int, timeout_s: float) -> int:
        """Return the turn now, at once if it is not *turn* any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._turn != turn, timeout_s)
            return self._turn

    def since(self, number: int, kind: str = "") -> tuple[int, tuple[dict[str, Any], ...]]:
        """How many were shown so far, and of these the events after *number* that are of *kind*."""
        with self._changed:
            found = (event for n, event in self._entries if n > number)
            return self._shown, tuple(event for event in found if is_of(event["type"], kind))

    def follow(self, limit: int, kind: str = "") -> Following:
        """The newest *limit* events of *kind*, and then each as it happens, until closed."""
        return Following(self, limit, kind)


class Following(Iterator[dict[str, Any]]):
    """Blocks until there is another event; `close`, from any thread, ends it."""

    def __init__(self, log: EventLog, limit: int, kind: str) -> None:
        self._log, self._kind = log, kind
        self._number, shown = log.since(0, kind)  # in one look: what happens between two would come twice
        self._ready = deque(shown[-limit:] if limit > 0 else ())
        self._closed = False

    def __next__(self) -> dict[str, Any]:
        turn = 0
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            self._number, found = self._log.since(self._number, self._kind)
            self._ready.extend(found)
            if not found:
                turn = self._log.wait(turn, 1.0)
        raise StopIteration

    def close(self) -> None:
        self._closed = True
        self._log.nudge()
