"""`edgetender hub` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AGENT = Path(__file__).parents[2] / "agent"
COMMAND = (sys.executable, "-c", "from edgetender.cli import main; main()", "hub", "--admin", "127.0.0.1:0")
ENVIRON = os.environ | {"PYTHONPATH": str(AGENT)}


@dataclass(frozen=True)
class ClientPair:
    certificate: str
    key: str


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Any]:
    """`edgetender hub` until the block ends; what it printed."""
    with subprocess.Popen(
        [*COMMAND, "--directory", str(folder), "-o", "json", *words],
        stdout=subprocess.PIPE,
        env=ENVIRON,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def ended(folder: Path, *words: str) -> tuple[int, str]:
    """How it ended by itself, and what it said of it."""
    command = [*COMMAND, "--directory", str(folder), *words]
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr
