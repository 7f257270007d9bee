"""The command line, or another program, on a terminal of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo.parts.waiting import HANGS_S

AGENT = Path(__file__).parents[2] / "agent"


def _as_a_terminal_starts_it() -> None:
    """Ctrl-C ends it, also where the tests run in the background and have been told to ignore that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """One command; `said` is what it wrote so far, control sequences and all."""

    def __init__(self, *words: str, program: Sequence[str] = (), **environment: str) -> None:
        """Without *program* the words are the command line's."""
        start = [*(program or (sys.executable, "-c", "from edgetender.cli import main; main()")), *words]
        environ = os.environ | {
            "PYTHONPATH": str(AGENT),
            "TERM": "xterm-256color",
            "LINES": "40",
            "COLUMNS": "160",
        }
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            start,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ | environment,
            start_new_session=True,
            preexec_fn=_as_a_terminal_starts_it,  # noqa: PLW1509  it calls the kernel alone
        )
        os.close(theirs)
        self.said = ""

    def until(self, words: str) -> None:
        deadline = time.monotonic() + HANGS_S
        while words not in self.said:
            assert time.monotonic() < deadline, f"{words!r} is not in {self.said!r}"
            if select.select([self.ours], [], [], 0.2)[0]:
                self.said += os.read(self.ours, 65536).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def end(self) -> int:
        """Wait for its end, and read on meanwhile: a terminal that shows nothing more would hold it up."""
        deadline = time.monotonic() + HANGS_S
        try:
            while self.process.poll() is None:
                assert time.monotonic() < deadline, f"it does not end: {self.said!r}"
                if select.select([self.ours], [], [], 0.05)[0]:
                    with contextlib.suppress(OSError):  # its side is closed: it is about to end
                        self.said += os.read(self.ours, 65536).decode(errors="replace")
            return self.process.returncode
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.ours)
