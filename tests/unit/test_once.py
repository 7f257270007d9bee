"""A command's effect happens once for each id, however often it is asked for and whatever ends in between."""

from __future__ import annotations

import json
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
