"""A command line without a process: words in; exit code, stdout and stderr out, at a time that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from tests.fakes.clock import FakeClock


@dataclass(frozen=True)
class Said:
    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def transcript(self, **names: str) -> str:
        """All of it as one text; *names* stand for what differs from run to run (DIR='/tmp/pytest-7')."""
        parts = [f"$ edgetender {' '.join(self.words)}\n", self.out]
        parts += ["--- stderr\n", self.err] if self.err else []
        text = "".join(parts) + f"--- exit {self.code}\n"
        for name, value in names.items():
            text = text.replace(value, name)
        return text


@dataclass
class Shell:
    """Waiting moves *clock* and takes no time. Talks to *host*, as `Session.host` does."""

    capture: pytest.CaptureFixture[str]
    host: str = ""
    clock: FakeClock = field(default_factory=FakeClock)

    def run(self, *words: object) -> Said:
        spelled = tuple(map(str, words))
        session = Session(
            self.host, now=self.clock.now, monotonic=self.clock.monotonic, pause=self.clock.advance
        )
        self.capture.readouterr()
        code = run(spelled, session)
        said = self.capture.readouterr()
        return Said(spelled, int(code), said.out, said.err)
