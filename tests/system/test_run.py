"""Does the launcher say what to do where it cannot do it itself?"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.services.engine import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system


def run(*words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": path} if path else None
    return subprocess.run(
        ["/bin/sh", str(REPOSITORY / "run"), *words], capture_output=True, text=True, check=False, env=env
    )


def test_help_names_every_command_and_an_unknown_one_is_a_usage_error() -> None:
    told = run("--help")
    assert told.returncode == 0
    assert re.findall(r"^\./run (\w+)", told.stdout, re.MULTILINE) == [
        *("demo", "demo", "test", "faults", "bench", "clean", "setup", "lock")
    ]
    assert run("dmeo").returncode == 2


def test_without_python_and_apt_it_says_what_is_missing_and_ends_with_1(tmp_path: Path) -> None:
    for program in ("dirname", "id", "cat"):
        (tmp_path / program).symlink_to(shutil.which(program) or "/bin/false")
    told = run("test", path=str(tmp_path))
    assert told.returncode == 1
    assert "Python 3.11 or newer with venv is missing" in told.stderr


def test_the_lock_pins_every_direct_dependency_with_hashes() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    pinned = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    wanted = (REPOSITORY / "pyproject.toml").read_text() + (REPOSITORY / "requirements.in").read_text()
    # azure-iot-device pins paho-mqtt below 2: an extra that the lock leaves out on purpose
    names = re.findall(r'^\s*"?([A-Za-z][A-Za-z0-9._-]*)>=', wanted, re.MULTILINE)
    assert {name.lower() for name in names} <= pinned
    entries = re.split(r"^(?=[A-Za-z0-9._-]+==)", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_launcher_is_plain_posix_sh() -> None:
    assert subprocess.run(["/bin/sh", "-n", REPOSITORY / "run"], check=False).returncode == 0
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", REPOSITORY / "run"], check=True)
