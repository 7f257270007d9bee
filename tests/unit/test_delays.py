"""Files by which modules ask for time."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
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


def test_what_is_swapped_for_a_link_while_it_is_looked_at_shows_nothing_of_where_it_leads(tmp_path: Path):
    """Who may write there may delay updates, and not read what the agent may: a reason is shown to everybody."""
    secret, folder = tmp_path / "secret", tmp_path / "holds"
    secret.write_text("hunter2")
    folder.mkdir()
    (folder / "scorer").touch()
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            (tmp_path / "link").symlink_to(secret)
            (tmp_path / "link").replace(folder / "scorer")
            (tmp_path / "file").touch()
            (tmp_path / "file").replace(folder / "scorer")

    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        seen = {hold.reason for _ in range(3000) for hold in LockFiles(folder)().values()}
        ended.set()
        swapping.result()
    assert seen <= {""}
