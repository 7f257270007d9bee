"""How is a program or a library asked that may hang, crash or lie? In a child of its own, killed after 5 s.

A child that sits in the kernel (a wedged driver) cannot be killed: it is left behind, and while it is there the
same question is not asked again. Its output goes to a file: a pipe that a grandchild keeps open would block us.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

DEADLINE_S = 5.0
_MOST = 4 * 1024 * 1024
_REAP_S = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child said. *code* is empty when it ended by itself; else `probe_timeout`, `no_room`, ..."""

    output: str = ""
    exit_code: int | None = None
    code: str = ""
    detail: str = ""

    @property
    def good(self) -> bool:
        return not self.code and self.exit_code == 0


class Programs(Protocol):
    """Asks programs of the machine. Never raises, returns within *deadline_s* and a little."""

    def __call__(self, name: str, argv: Sequence[str], deadline_s: float = DEADLINE_S) -> Answer: ...


def no_programs(name: str, argv: Sequence[str], deadline_s: float = DEADLINE_S) -> Answer:  # noqa: ARG001
    """For a recorded tree: what is not in it cannot be asked."""
    return Answer(code="not_recorded", detail=f"{name} cannot be asked of a recording")


class Children:
    """Programs, run for real. Thread-safe; *name* tells the questions apart, one child of each at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, subprocess.Popen[bytes]] = {}

    def __call__(self, name: str, argv: Sequence[str], deadline_s: float = DEADLINE_S) -> Answer:
        with self._lock:
            left = self._left.get(name)
            if left is not None and left.poll() is None:
                detail = f"{name} hung before and cannot be ended (process {left.pid})"
                return Answer(code="probe_timeout", detail=detail)
            self._left.pop(name, None)
            try:
                return self._ask(name, argv, deadline_s)
            except OSError as error:  # no room for what it says: a disk is full, or none may be written to
                return Answer(code="no_room", detail=f"{name} cannot be asked: {error.strerror}")

    def _ask(self, name: str, argv: Sequence[str], deadline_s: float) -> Answer:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
        with tempfile.TemporaryFile() as said:
            try:
                child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env=environment | {"LC_ALL": "C"},
                    start_new_session=True,
                )
            except OSError as error:
                return Answer(code="not_installed", detail=f"{argv[0]}: {error.strerror}")
            try:
                exit_code = child.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self._end(name, child)
                return Answer(
                    _read(said), None, "probe_timeout", f"{name} gave no answer in {deadline_s:g} s"
                )
            return Answer(_read(said), exit_code, *_how(name, exit_code))

    def _end(self, name: str, child: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        try:
            child.wait(_REAP_S)
        except subprocess.TimeoutExpired:  # in the kernel: it is looked at again before the next question
            self._left[name] = child


def _how(name: str, exit_code: int) -> tuple[str, str]:
    if exit_code < 0:
        return "probe_crashed", f"{name} was ended by signal {-exit_code}"
    return "", ""


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST).decode(errors="replace")
