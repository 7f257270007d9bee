"""A file is replaced, and the write is cut at every step: by a kill, a failing disk, the power."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import asdict
from pathlib import Path

import pytest

from edgetender.errors import Permanent
from edgetender.packaging.model_store import ModelStore
from tests.faults import shim
from tests.faults.device import REPOSITORY
from tests.faults.power import Cut, Disk
from tests.faults.shim import Arm, Fate, Kind, Operation, operations

OLD, NEW = b"old " * 300, b"new " * 300
MODE = 0o640
STEPS = 7  # unlink, create, write, sync, rename, sync of the directory; and one more, which never comes

REPLACE = f"durable.replace(directory / 'said', {NEW!r}, mode={MODE})"
_CODE = """
import sys
from pathlib import Path
from tests.faults.shim import Arm, Fate, arm
from edgetender import durable
how = {how!r}
directory = Path(how["directory"])
arm(Arm(**how | {{"fate": Fate(how["fate"])}}))
{does}
"""

pytestmark = pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not()))


def done(does: str, how: Arm) -> subprocess.CompletedProcess[str]:
    """A process that does this below the directory of *how*."""
    return subprocess.run(
        [sys.executable, "-c", _CODE.format(how=asdict(how) | {"fate": int(how.fate)}, does=does)],
        cwd=REPOSITORY,
        env=os.environ | {"LD_PRELOAD": str(shim.built()), "PYTHONPATH": str(REPOSITORY / "agent")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def said(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "said"
    path.write_bytes(OLD)
    return path


@pytest.mark.parametrize("number", range(1, STEPS + 1))
@pytest.mark.parametrize("fate", [Fate.KILL_BEFORE, Fate.KILL_AFTER])
def test_a_file_whose_writer_is_killed_at_any_step_is_the_old_one_or_the_new(
    said: Path, fate: Fate, number: int
) -> None:
    ended = done(REPLACE, Arm(str(said.parent), fate, number))

    assert (ended.returncode == 0) == (number == STEPS), ended.stderr
    assert said.read_bytes() in (OLD, NEW)
    assert done(REPLACE, Arm(str(said.parent))).returncode == 0, "what was left over stands in nobody's way"
    assert said.read_bytes() == NEW
    assert said.stat().st_mode & 0o777 == MODE
    assert [one.name for one in said.parent.iterdir()] == ["said"]


@pytest.mark.parametrize("number", range(2, STEPS))  # the first is of a file that is not there
@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EIO])
def test_a_file_on_a_disk_that_fails_at_any_step_is_the_old_one_or_the_new_and_nothing_beside_it(
    said: Path, why: int, number: int
) -> None:
    ended = done(REPLACE, Arm(str(said.parent), Fate.FAIL, number, errno=why))

    assert f"OSError: [Errno {why}]" in ended.stderr
    assert said.read_bytes() == (NEW if number == STEPS - 1 else OLD)
    assert [one.name for one in said.parent.iterdir()] == ["said"]


TWICE = f"durable.replace(directory / 'said', {OLD!r}); durable.replace(directory / 'said', {NEW!r})"


def recorded(home: Path, does: str) -> list[Operation]:
    (home / "state").mkdir()
    ended = done(does, Arm(str(home / "state"), log=str(home / "log")))
    assert ended.returncode == 0, ended.stderr
    return list(operations(home / "log"))


def left(written: list[Operation], cut: Cut, name: str) -> bytes | None:
    """What is in the file *name* after *cut*; None where there is none."""
    disk = Disk()
    for operation in written[: cut.number]:
        disk.take(operation)
    with tempfile.TemporaryDirectory() as folder:
        disk.leave(place := Path(folder, "state"), cut)
        return (place / name).read_bytes() if (place / name).exists() else None


def cuts(number: int) -> list[Cut]:
    return [Cut(number), Cut(number, everything=True), *(Cut(number, seed) for seed in range(20))]


def test_the_power_may_go_at_any_step_and_once_replaced_it_stays_replaced(tmp_path: Path) -> None:
    written = recorded(tmp_path, TWICE)
    (first,) = [n for n, one in enumerate(written, 1) if one.kind is Kind.SYNC and one.path == ""][:1]

    for number in range(len(written) + 1):
        for cut in cuts(number):
            found = left(written, cut, "said")
            if number < first:
                assert found in (None, OLD), cut
            elif number < len(written):
                assert found in (OLD, NEW), cut
            else:
                assert found == NEW, cut


def test_without_its_syncs_the_same_cuts_tear_it(tmp_path: Path) -> None:
    written = [one for one in recorded(tmp_path, TWICE) if one.kind is not Kind.SYNC]

    found = [left(written, cut, "said") for n in range(len(written) + 1) for cut in cuts(n)]

    assert set(found) - {None, OLD, NEW}, "half a file was to be found"
    assert left(written, Cut(len(written)), "said") is None


def test_what_is_replaced_in_a_new_directory_is_there_with_it(tmp_path: Path) -> None:
    does = "durable.make_directory(directory / 'a/b', 0o700); durable.replace(directory / 'a/b/said', b'new')"
    written = recorded(tmp_path, does)

    assert left(written, Cut(len(written)), "a/b/said") == b"new"
    assert {(tmp_path / "state" / one).stat().st_mode & 0o777 for one in ("a", "a/b")} == {0o700}


REGISTER = """
import shutil
from edgetender.packaging.model_store import ModelStore
shutil._USE_CP_SENDFILE = False  # the shim knows no sendfile
ModelStore(directory / "models").register(Path({model!r}), "m")
"""


def test_the_power_may_go_at_any_step_and_a_model_is_registered_whole_or_not_at_all(tmp_path: Path) -> None:
    model = tmp_path / "net"
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "weights.bin").write_bytes(OLD)
    (model / "vocabulary").write_bytes(NEW)
    written = recorded(tmp_path, REGISTER.format(model=str(model)))

    def registered(cut: Cut, operations: list[Operation]) -> int:
        disk = Disk()
        for operation in operations[: cut.number]:
            disk.take(operation)
        with tempfile.TemporaryDirectory() as folder:
            disk.leave(place := Path(folder, "state"), cut)
            store = ModelStore(place / "models")
            found = store.list()
            for one in found:
                store.download(one, Path(folder, "copy"))  # which looks whether it is what was registered
            return len(found)

    for number in range(len(written) + 1):
        for cut in cuts(number):
            assert registered(cut, written) == 1 or number < len(written), cut
    unsynced = [one for one in written if one.kind is not Kind.SYNC]
    with pytest.raises((Permanent, ValueError)):
        deque(registered(Cut(len(unsynced), seed), unsynced) for seed in range(500))
