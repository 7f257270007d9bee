"""One daemon per state directory, whatever became of the last one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgetender.errors import AlreadyRunning
from edgetender.lock import StateLock

HOLD = """
import sys
from pathlib import Path
from edgetender.lock import StateLock
with StateLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_daemon_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    with StateLock(tmp_path / "lock"):
        with pytest.raises(AlreadyRunning) as caught, StateLock(tmp_path / "lock"):
            pass
        assert f"pid {os.getpid()}" in str(caught.value)
        assert str(tmp_path) in str(caught.value)


def test_the_lock_is_free_again_after_its_holder_left(tmp_path: Path) -> None:
    for _ in range(2):
        with StateLock(tmp_path / "lock"):
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=f"pid {other.pid}"), StateLock(path):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait(10)
        with StateLock(path):
            assert path.read_text() == f"{os.getpid()}\n"


def test_no_descriptor_is_left_behind_by_a_refusal(tmp_path: Path) -> None:
    with StateLock(tmp_path / "lock"):
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(AlreadyRunning), StateLock(tmp_path / "lock"):
                pass
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"), StateLock(tmp_path / "lock"):
        pass
    assert precious.read_text() == "kept"
