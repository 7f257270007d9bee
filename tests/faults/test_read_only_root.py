"""A root file system that cannot be written to, but for the agent's own directories: every story ends as it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import shim
from tests.faults.device import REPOSITORY, Zygote
from tests.faults.scenarios import STORIES, Point, Stage


def why_not(within: tuple[str, ...], home: Path) -> str | None:
    """The reason why it cannot be shown here."""
    if reason := shim.why_not():
        return reason
    done = writing(within, home)
    return None if done.returncode == 0 else f"nothing can be sealed here: {done.stderr.strip()[-200:]}"


def writing(within: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*within, "touch", str(folder / "written")]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_with_nothing_to_write_to_but_its_own_directories_each_story_ends_well(short: Path) -> None:
    home, other = short / "home", short / "other"
    home.mkdir()
    other.mkdir()
    within = (sys.executable, "-m", "tests.faults.sealed", str(home))
    if reason := why_not(within, home):
        pytest.skip(reason)
    assert writing(within, other).returncode != 0
    assert not list(other.iterdir())
    with Zygote(within=within) as zygote:
        stage = Stage(home, zygote)
        try:
            lives = [stage.live(story, Point()) for story in STORIES]
        finally:
            stage.device.close()
    assert {one.story: one.violations for one in lives} == {story.name: [] for story in STORIES}
