"""Does the tutorial do what it says, from its first command to its last?"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from demo.narrator import Terminal
from demo.story import MAIN_JOB
from demo.world import started
from tests.services.engine import REPOSITORY, why_no_engine
from tests.system.console import Shell

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.engine, pytest.mark.broker, pytest.mark.registry]

TUTORIAL = REPOSITORY / "docs/tutorials/first-deployment.md"


@pytest.mark.timeout(600)
def test_every_command_of_the_tutorial_says_what_the_page_says(tmp_path: Path) -> None:
    if reason := why_no_engine():
        pytest.skip(reason)
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    for cache in ("base", "store"):
        kept = REPOSITORY / ".demo" / cache
        kept.mkdir(parents=True, exist_ok=True)
        (tmp_path / cache).symlink_to(kept)
    with started(tmp_path, Terminal(), private_engine=True) as world:
        for step in MAIN_JOB:  # as `./run demo` does before it stays
            step.act(world)
        with Shell(REPOSITORY, {"DEMO": str(tmp_path)}) as shell:
            shell.follow(TUTORIAL, tmp_path / "first")
