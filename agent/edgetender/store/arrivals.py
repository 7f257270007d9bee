"""What was appended and not taken in yet: who appends a message does not wait for who commits others."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence

from edgetender.store.packs import Row


class Arrivals:
    """Numbered in their order, from *first* on. From any thread."""

    def __init__(self, first: int) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(first)
        self._rows: deque[Row] = deque()
        self._size = 0

    def add(self, make: Callable[[int], Row]) -> tuple[Row, int]:
        """What *make* made of its number, and the bytes that wait by now."""
        with self._lock:
            row = make(next(self._numbers))
            self._rows.append(row)
            self._size += row.size
            return row, self._size

    def take(self) -> Sequence[Row]:
        with self._lock:
            rows, self._rows, self._size = self._rows, deque(), 0
            return rows
