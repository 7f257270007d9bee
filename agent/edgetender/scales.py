"""How much memory do containers on trial take? Weighed beside the reconciler: an engine needs a second for each."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from edgetender.errors import AgentError
from edgetender.model.observed import Container
from edgetender.ports import Engine

_PAUSE_S = 0.5


class Scales:
    """Threads: `weigh` from the reconciler, `work` on a thread of its own, `close` from any."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._changed, self._closed = threading.Event(), threading.Event()
        self._on: tuple[Container, ...] = ()
        self._news: dict[str, int] = {}

    def weigh(self, containers: Iterable[Container]) -> dict[str, int]:
        """Weigh just these from now on; return what was found since the call before, in bytes by container's id."""
        with self._lock:
            self._on = tuple(containers)
            news, self._news = self._news, {}
            if self._on:
                self._changed.set()
        return {one.id: news[one.id] for one in self._on if one.id in news}

    def work(self) -> None:
        """Weigh while there is something on the scales; until `close`."""
        while not self._closed.is_set():
            self._changed.wait()
            self._changed.clear()
            while self._on and not self._closed.is_set():
                self.look()
                self._closed.wait(_PAUSE_S)

    def look(self) -> None:
        """Weigh each once; one that cannot be measured now is left out."""
        for container in self._on:  # one by one: of a module there are two while it is switched
            try:
                measured = self._engine.figures([container])
            except AgentError:
                continue
            with self._lock:
                self._news |= {container.id: figures.memory_bytes for figures in measured}  # noqa: B035  # one at most

    def close(self) -> None:
        self._closed.set()
        self._changed.set()
