"""Two ways of doing the same thing, measured in turn in one session: what counts is the ratio of each pair."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pairs:
    """Seconds of *ours* and *theirs*, pair by pair."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def overhead(self) -> float:
        """The median of the pairs' differences."""
        return statistics.median(a - b for a, b in zip(self.ours, self.theirs, strict=True))

    def show(self, ours: str, theirs: str) -> None:
        for name, values in ((ours, self.ours), (theirs, self.theirs)):
            low, middle, high = min(values), statistics.median(values), max(values)
            print(f"   {name:<44} {middle * 1e3:8.1f} ms  ({low * 1e3:.1f} to {high * 1e3:.1f})")
        print(f"   ratio {self.ratio:.2f}, {self.overhead * 1e3:+.1f} ms, medians of {len(self.ours)} pairs")


def paired(
    ours: Callable[[int], float], theirs: Callable[[int], float], pairs: int, warm_up: int = 1
) -> Pairs:
    """Take *pairs* pairs of seconds, who goes first changing from pair to pair."""
    taken: list[tuple[float, float]] = []
    for number in range(-warm_up, pairs):
        if number % 2:
            second = theirs(number)
            pair = (ours(number), second)
        else:
            first = ours(number)
            pair = (first, theirs(number))
        if number >= 0:
            taken.append(pair)
    return Pairs(tuple(a for a, _ in taken), tuple(b for _, b in taken))
