"""Files by which modules ask for time."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from edgetender.delays import LockFiles


def test_a_file_by_a_module_s_name_is_its_wish_whatever_is_in_it(tmp_path: Path):
    (tmp_path / "scorer").touch()
    (tmp_path / "side").write_text("2026-11-24T13:00:00Z in the middle\nof a batch\n")
    (tmp_path / "odd").write_bytes(b"\xff soon")
    found = LockFiles(tmp_path)()
    assert (found["scorer"].until, found["scorer"].reason) == (None, "")
    assert found["side"].until == datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert found["side"].reason == "in the middle of a batch"
    assert found["odd"].until is None


def test_what_is_no_file_or_cannot_be_read_is_no_wish(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    assert LockFiles(tmp_path)() == {}
    assert LockFiles(tmp_path / "gone")() == {}
    assert LockFiles(None)() == {}
