"""Is the log of a build a line that moves on a terminal, and plain lines in a pipe?"""

import os
import pty
import subprocess
import sys

import pytest

from edgetender.packaging.base_image import from_rootfs
from tests.builders import packages

# runs the command line, then says whether the library that draws was needed
CODE = """
import sys
from edgetender.cli import main
try:
    main()
finally:
    print("rich" in sys.modules)
"""


@pytest.fixture
def words(tmp_path):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(packages.SCRIPT)
    return [
        sys.executable, "-c", CODE, "package", "--entry-script", "score.py", "--source-dir", str(source),
        "--base", f"oci:{tmp_path / 'base'}", "--store", str(tmp_path / "store"),
        "--server-source", str(packages.server_source(tmp_path)),
    ]  # fmt: skip


def test_in_a_pipe_there_are_plain_lines_and_the_library_that_draws_is_not_loaded(words):
    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "False"
    assert "server layer built" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_on_a_terminal_the_same_lines_stand_above_one_that_moves(words):
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=environ, text=True) as running:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the terminal's other end is closed: it is done
            pass
        finally:
            os.close(ours)
        said = running.stdout.read()

    text = shown.decode()
    assert running.returncode == 0, text
    assert said.splitlines()[-1] == "True"
    lines = [line.strip() for line in text.splitlines()]
    for wanted in ("server layer built", "application layer built"):
        assert any(wanted in line for line in lines)
    assert "0:00:0" in text  # the time it has taken so far
    assert "was successful after" in lines[-1]  # the moving line is gone at the end
