"""The plug of the machine: pulled before or after the n-th effect, so that a test can pull it at every one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EFFECTS = frozenset(
    {
        "create",
        "start",
        "stop",
        "remove",
        "remove_image",
        "ensure",
        "point",
        "forget",
        "lower",
        "commit",
        "deliver",
        "submit",
    }
)


class PowerCut(BaseException):
    """Nobody in the agent may catch this: it stands for the end of the process."""


class Power:
    """Counts effects, of all that it feeds together, and is gone at number *cut_at* (None: never)."""

    def __init__(self, cut_at: int | None = None, *, after: bool = False) -> None:
        self.cut_at, self.after = cut_at, after
        self.effects = 0
        self.watched: Callable[[], None] = lambda: None  # called after every effect

    def feed(self, part: Any) -> Any:
        """*part*, whose effects happen by this power."""
        return _Powered(part, self)

    def run(self, call: Any, *args: Any, **more: Any) -> Any:
        self.effects += 1
        due = self.effects == self.cut_at
        if due and not self.after:
            raise PowerCut
        result = call(*args, **more)
        self.watched()
        if due:
            raise PowerCut
        return result


class _Powered:
    def __init__(self, part: Any, power: Power) -> None:
        self._part, self._power = part, power

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if name not in EFFECTS:
            return found
        return lambda *args, **more: self._power.run(found, *args, **more)
