"""A command's effect happens once for each id, however often it is asked for and whatever ends in between."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from edgetender.commands.once import Once


def test_what_was_begun_before_the_agent_ended_is_not_begun_again(tmp_path: Path):
    class Cut(BaseException):
        """The power goes."""

    def cut() -> Any:
        raise Cut

    with pytest.raises(Cut):
        Once(tmp_path / "c.json")("a1", cut)
    later = Once(tmp_path / "c.json")
    assert later("a1", lambda: (200, None))[0] == 409
    assert later("a2", lambda: (200, "x")) == (200, "x")
    assert Once(tmp_path / "c.json")("a2", lambda: (500, None)) == (200, "x")


def test_only_the_newest_ids_are_kept_and_a_torn_file_is_an_empty_one(tmp_path: Path):
    once = Once(tmp_path / "c.json")
    for number in range(300):
        once(f"id{number}", lambda: (200, None))
    assert len(json.loads((tmp_path / "c.json").read_text())) == 256
    (tmp_path / "c.json").write_text("[[")
    assert Once(tmp_path / "c.json")("id299", lambda: (200, "again")) == (200, "again")


def test_what_could_not_be_written_down_is_done_when_it_is_asked_again(tmp_path: Path):
    once = Once(tmp_path / "missing" / "c.json")
    with pytest.raises(OSError, match="No such file"):
        once("a1", lambda: (200, "too early"))
    (tmp_path / "missing").mkdir()
    assert once("a1", lambda: (200, "done")) == (200, "done")


def test_a_command_waits_for_no_other_and_the_same_again_for_the_first_s_answer(tmp_path: Path):
    once, begun, decided = Once(tmp_path / "c.json"), threading.Event(), threading.Event()
    answers: list[Any] = []

    def restart() -> Any:
        begun.set()
        assert decided.wait(60)
        return 200, "restarted"

    asking = [threading.Thread(target=lambda: answers.append(once("a1", restart))) for _ in range(2)]
    asking[0].start()
    assert begun.wait(60)
    asking[1].start()
    rolling_back = threading.Thread(target=lambda: answers.append(once("a2", lambda: (200, "rolled back"))))
    rolling_back.start()
    rolling_back.join(5)
    before = list(answers)
    decided.set()
    for thread in (*asking, rolling_back):
        thread.join(60)
    assert before == [(200, "rolled back")]
    assert answers[1:] == [(200, "restarted")] * 2
    kept = Once(tmp_path / "c.json")
    assert kept("a1", lambda: (500, None)) == (200, "restarted")
    assert kept("a2", lambda: (500, None)) == (200, "rolled back")


def test_who_waited_for_one_that_was_not_done_does_it(tmp_path: Path):
    once, begun, full = Once(tmp_path / "c.json"), threading.Event(), threading.Event()
    answers: list[Any] = []

    def too_early() -> Any:
        begun.set()
        assert full.wait(60)
        raise OSError("no room")

    def first() -> None:
        with pytest.raises(OSError, match="no room"):
            once("a1", too_early)
        answers.append("failed")

    asking = [
        threading.Thread(target=first),
        threading.Thread(target=lambda: answers.append(once("a1", lambda: (200, "done")))),
    ]
    asking[0].start()
    assert begun.wait(60)
    asking[1].start()
    full.set()
    for thread in asking:
        thread.join(60)
    assert sorted(answers, key=str) == [(200, "done"), "failed"]


def test_what_was_done_is_answered_though_the_answer_cannot_be_written_down(tmp_path: Path):
    folder = tmp_path / "state"
    folder.mkdir()
    once = Once(folder / "c.json")

    def done_as_the_disk_goes() -> Any:
        shutil.rmtree(folder)
        return 200, "done"

    assert once("a1", done_as_the_disk_goes) == (200, "done")
    assert once("a1", lambda: (500, "again")) == (200, "done")
