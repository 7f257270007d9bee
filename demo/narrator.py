"""How does the story read on a terminal? A step's title, then a mark per verified fact and its figure."""

from __future__ import annotations

import sys
import time
from typing import Protocol


class StoryFailed(AssertionError):
    """A step found something else than what edgetender promises; the message says what, and what helps."""


class Narrator(Protocol):
    """Who tells the story: the terminal, or a test's captured output."""

    def step(self, number: int, title: str) -> None: ...
    def check(self, fact: str, figure: str = "") -> None: ...
    def note(self, text: str) -> None: ...


class Terminal:
    """Plain lines on stdout; colour only on a terminal, marks in ASCII where the locale cannot do better."""

    def __init__(self) -> None:
        unicode = "utf" in (sys.stdout.encoding or "").lower()
        self._colour = sys.stdout.isatty()
        self._mark = "✓" if unicode else "ok"
        self._started = time.monotonic()

    def step(self, number: int, title: str) -> None:
        since = time.monotonic() - self._started
        self._print(f"\n{self._bold(f'{number}. {title}')}  [{since:.0f} s]")

    def check(self, fact: str, figure: str = "") -> None:
        mark = f"\033[32m{self._mark}\033[0m" if self._colour else self._mark
        self._print(f"   {mark} {fact}{'  ' + figure if figure else ''}")

    def note(self, text: str) -> None:
        for line in text.splitlines():
            self._print(f"     {line}".rstrip())

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._colour else text

    @staticmethod
    def _print(line: str) -> None:
        print(line, flush=True)


def expect(claim: object, explanation: str) -> None:
    """Raise StoryFailed with *explanation* unless *claim* is true."""
    if not claim:
        raise StoryFailed(explanation)
