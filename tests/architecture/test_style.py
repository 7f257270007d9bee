"""Do the linter, the formatter and the type checker agree with what is here?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "--output-format=concise", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
    ],
    ids=["ruff check", "ruff format", "mypy --strict"],
)
def test_nothing_is_left_to_say(tool: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
