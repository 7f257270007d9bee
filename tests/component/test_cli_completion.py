"""completion: what a shell offers at a tab, asked as shells ask, and typed into real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.answers import module, status
from tests.services.terminal import Terminal

AGENT = Path(__file__).parents[2] / "agent"
SHELLS = {  # how each is started, and what its owner writes into its start-up file
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source <(edgetender completion bash)"),
    "zsh": (("zsh", "-f", "-i"), "autoload -U compinit; compinit -u -D; source <(edgetender completion zsh)"),
}


@pytest.fixture
def program(tmp_path):
    """A folder with an `edgetender` that shells find."""
    program = tmp_path / "bin" / "edgetender"
    program.parent.mkdir()
    start = f"exec {sys.executable} -c 'from edgetender.cli import main; main()' \"$@\""
    program.write_text(f"#!/bin/sh\nexport PYTHONPATH={AGENT}\n{start}\n")
    program.chmod(0o755)
    return program.parent


def completed(words: str, host: str, kind: str = "bash") -> list[str]:
    start = [sys.executable, "-c", "from edgetender.cli import main; main()"]
    asked = {
        "_EDGETENDER_COMPLETE": f"{kind}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "EDGETENDER_HOST": host,
        "PYTHONPATH": str(AGENT),
    }
    done = subprocess.run(
        start, capture_output=True, text=True, check=False, timeout=60, env=os.environ | asked
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_completion_prints_the_shells_script(lonely, kind):
    said = lonely.run("completion", kind)
    assert said.code == 0
    assert f"_EDGETENDER_COMPLETE={kind}_complete" in said.out


def test_commands_options_and_what_lives_are_completed(front_door, house):
    house.statuses = [status(module(), module("ocr"))]
    host = front_door[0].host
    assert completed("edgetender ro", host) == ["rollback"]
    assert completed("edgetender api", host) == []  # for other programs
    assert completed("edgetender status --ex", host) == ["--exit-code"]
    assert completed("edgetender logs ", host) == ["scorer", "ocr"]
    assert completed("edgetender restart s", host) == ["scorer"]
    assert (
        completed("edgetender history ", host) == completed("edgetender rollback --to ", host) == ["15", "14"]
    )
    assert completed("edgetender check disk", host) == ["disk-space", "disk-inodes"]
    assert completed("edgetender -H unix:///nowhere restart s", host) == []


@pytest.mark.parametrize("shell_name", SHELLS)
def test_a_tab_in_a_real_shell_completes_commands_and_living_modules(
    front_door, house, program, shell_name, tmp_path
):
    start, setup = SHELLS[shell_name]
    if shutil.which(start[0]) is None:
        pytest.skip(f"needs {start[0]}")
    house.statuses = [status(module(), module("ocr"))]
    terminal = Terminal(
        program=start, EDGETENDER_HOST=front_door[0].host, PATH=f"{program}:{os.environ['PATH']}", HOME=str(tmp_path), PS1="> ",
    )  # fmt: skip
    terminal.type(f"{setup}; echo rea''dy\n")
    terminal.until("ready")
    for typed, whole in (("edgetender hist\t", "history"), ("edgetender restart s\t", "scorer")):
        terminal.said = ""
        terminal.type(typed)
        terminal.until(whole)
        terminal.type("\x15")  # the line is taken back
    terminal.type("exit\n")
    terminal.end()


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("typed", "whole"), [("edgetender hist", "history"), ("edgetender restart s", "scorer")]
)
def test_fish_is_offered_the_same(front_door, house, program, typed, whole):
    """It says itself what a tab would offer; it wants more of a terminal than there is here."""
    asked = {"EDGETENDER_HOST": front_door[0].host, "PATH": f"{program}:{os.environ['PATH']}"}
    words = f"edgetender completion fish | source; complete -C '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", words], capture_output=True, text=True, check=False, timeout=60, env=os.environ | asked,
    )  # fmt: skip
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [whole], done.stderr
