"""In which order the daemon ends, and what its exit code says."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from edgetender.lifetime import EXIT_CRASHED, Daemon
from edgetender.systemd import Notifier
from edgetender.waking import Flags
from edgetender.worker import Worker


class Bench:
    """A daemon whose loop ends at once, with one worker that writes to a store as long as it lives."""

    def __init__(self) -> None:
        self.flags, self.open = Flags(), True
        self.told_to_end = threading.Event()
        self.trouble: Exception | None = None  # of another part, at its end
        self.worker = Worker("writer", self._write, self.flags.crash)

    def _write(self) -> None:
        self.told_to_end.wait(10)
        if not self.open:
            raise OSError("written to what is closed")

    def _close(self) -> None:
        self.open = False

    def _end(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def run(self, loop: Any = lambda: None) -> int:
        daemon = Daemon(
            self.flags,
            SimpleNamespace(run=loop),  # type: ignore[arg-type]
            [self.worker],
            [self.told_to_end.set, self._end],
            [self._close, self._end],
            Notifier({}),
        )
        return daemon.run()


def test_what_the_workers_write_to_is_closed_after_they_ended():
    bench = Bench()
    assert bench.run() == 0
    assert not bench.open


def test_a_loop_that_crashes_ends_the_daemon_with_its_own_code():
    def crash() -> None:
        raise RuntimeError("a bug")

    bench = Bench()
    assert bench.run(crash) == EXIT_CRASHED
    assert not bench.open


def test_a_part_that_cannot_end_keeps_no_other_from_its_end_and_the_exit_code_tells():
    bench = Bench()
    bench.trouble = OSError("cannot say goodbye")
    assert bench.run() == EXIT_CRASHED
    assert bench.told_to_end.is_set()
    assert not bench.open
