"""One daemon per state directory, whatever became of the last one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetender.errors import AlreadyRunning
from edgetender.lock import EngineLock, StateLock

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
        other.wait(60)
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


HOLD_ENGINE = """
import os, sys
from edgetender.lock import EngineLock
if len(sys.argv) > 3:
    os.setuid(int(sys.argv[3]))
with EngineLock(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_ENGINE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield other
        other.kill()


def test_a_second_daemon_for_the_same_device_on_one_engine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with holder(f"unix://{tmp_path}/docker.sock", "cam") as other:
        with pytest.raises(AlreadyRunning, match=f"pid {other.pid}"):
            EngineLock(f"unix://{tmp_path}/link/docker.sock", "cam").__enter__()
        with EngineLock(f"unix://{tmp_path}/docker.sock", "other"):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait(60)
        with EngineLock(f"unix://{tmp_path}/docker.sock", "cam"):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_stranger_who_holds_the_name_stops_nobody(tmp_path: Path) -> None:
    with (
        holder(f"unix://{tmp_path}/docker.sock", "cam", "65534"),
        EngineLock(f"unix://{tmp_path}/docker.sock", "cam"),
    ):
        pass
