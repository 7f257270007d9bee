"""Did the power go? What a device knows of it after the next boot."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgetender.store.marks import BootMarks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "boot.json"


def test_a_new_device_doubts_nothing(path: Path):
    assert not BootMarks(path, 1).unclean


def test_a_boot_that_ended_without_a_word_is_unclean_for_as_long_as_the_next_one_lasts(path: Path):
    BootMarks(path, 1).settle("image")
    second = BootMarks(path, 2)
    assert second.unclean
    assert second.settled == {"image"}
    assert BootMarks(path, 2).unclean  # the agent was started again
    second.end()
    assert BootMarks(path, 2).unclean
    BootMarks(path, 2).end()
    third = BootMarks(path, 3)
    assert not third.unclean
    assert third.cut  # once is enough for what may lie about


def test_a_kill_of_the_agent_is_no_power_cut(path: Path):
    BootMarks(path, 1)
    assert not BootMarks(path, 1).unclean


def test_what_is_damaged_or_gone_is_no_longer_settled(path: Path):
    marks = BootMarks(path, 1)
    marks.settle("a")
    marks.settle("b")
    marks.doubt("a")
    assert BootMarks(path, 1).settled == {"b"}
    marks.forget(frozenset({"b", "c"}))
    assert BootMarks(path, 1).settled == frozenset()


def test_pulls_that_end_together_are_all_remembered(path: Path):
    marks = BootMarks(path, 1)
    images = [f"image-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(marks.settle, images))
    assert marks.settled == set(images)
    assert BootMarks(path, 1).settled == set(images)


def test_a_pull_that_ends_after_the_agent_did_takes_nothing_back(path: Path):
    BootMarks(path, 1)
    marks = BootMarks(path, 2)
    marks.end()
    marks.settle("image")
    assert not BootMarks(path, 3).unclean


@pytest.mark.parametrize("damage", [b"", b"{", b'{"boot": 1}', bytes(200)])
def test_a_damaged_file_says_what_a_power_cut_says(path: Path, damage: bytes):
    BootMarks(path, 1).settle("image")
    path.write_bytes(damage)
    marks = BootMarks(path, 1)
    assert marks.unclean
    assert marks.settled == frozenset()


def test_a_place_that_cannot_be_written_ends_nothing(tmp_path: Path):
    marks = BootMarks(tmp_path / "gone" / "boot.json", 1)
    marks.settle("image")
    assert marks.settled == {"image"}
