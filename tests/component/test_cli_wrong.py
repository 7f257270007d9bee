"""What is said to who calls it wrongly: one sentence that says what, why and where; never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgetender.cli import COMMANDS, cli, run
from edgetender.cli.output import Session

AGENT = Path(__file__).parents[2] / "agent"
MANIFEST = """\
schema: edgetender/v1
deployment: line3
version: 1
modules:
  a: {image: "127.0.0.1:1/a:1"}
"""
TO = ("--to", "device:cam7", "--broker")


@pytest.fixture(autouse=True)
def files(lonely, tmp_path):
    (tmp_path / "ok.yaml").write_text(MANIFEST)
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "list.json").write_text("[]")


WRONG = {
    ("support-bundle", "-o", "nowhere/x.tgz"): (1, "cannot write nowhere/x.tgz: No such file or directory; name another by -o"),
    ("support-bundle", "-o", "folder"): (1, "cannot write folder: Is a directory"),
    ("explain", "a", "-f", "ok.yaml", "--facts", "bad.yaml"): (6, "bad.yaml  error  Expecting value at line 1 column 1 [json.malformed]"),
    ("verify", "ok.yaml", "--root", "bad.yaml"): (6, "bad.yaml  error  Expecting value"),
    ("verify", "ok.yaml", "--root", "none.json"): (4, "cannot read none.json: No such file or directory"),
    ("trust", "show", "--root", "list.json"): (6, "list.json  error  "),
    ("sign", "ok.yaml", "--key", "none.key", "--device", "a"): (4, "cannot read none.key: No such file or directory"),
    ("config", "check", "--config", "none.toml"): (6, "none.toml: cannot be read: No such file or directory"),
    ("config", "show", "--config", "folder"): (6, "folder: cannot be read: Is a directory"),
    ("daemon", "--config", "none.toml"): (78, "none.toml: cannot be read: No such file or directory"),
    ("push", "ok.yaml", *TO, "mqtt://127.0.0.1:1"): (1, "cannot connect to mqtt://127.0.0.1:1: connection refused; does the broker run"),
    ("push", "ok.yaml", *TO, "mqtts://127.0.0.1:1", "--ca", "none.pem"): (1, "cannot read the CA certificates none.pem: No such file"),
    ("push", "ok.yaml", *TO, "broker"): (2, "write it like mqtts://broker.example:8883"),
    ("push", "ok.yaml", "--to", "cam7"): (
        2,
        "'cam7' names no device and no group; write it like device:line3-cam7 or group:line3",
    ),
    ("push", "bad.yaml", *TO, "mqtt://127.0.0.1:1"): (6, "bad.yaml:2:1  error  "),
    ("validate", "ok.yaml", "--resolve"): (1, "cannot resolve 127.0.0.1:1/a:1: connection refused; does the registry run"),
    ("validate", "folder"): (2, "'folder' is a directory"),
    ("validate", "bad.yaml"): (6, "bad.yaml:2:1  error  "),
    ("convert", "ok.yaml"): (6, "ok.yaml is no IoT Edge deployment"),
    ("history", "3"): (3, "; start it: systemctl start edgetender"),
    ("check", "--local", "nosuch"): (4, "cannot find the check 'nosuch': there are certificates,"),
    ("stauts",): (2, "no such command 'stauts'; did you mean 'status'"),
    ("frobnicate",): (2, "no such command 'frobnicate'; edgetender --help lists them"),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_who_is_wrong_is_told_what_and_why_in_words(lonely, words):
    code, told = WRONG[words]
    said = lonely.run(*words)
    assert (said.code, told in said.err, said.out) == (code, True, ""), said.err
    assert "Traceback" not in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_disk_that_fills_up_on_the_way_is_said_in_words():
    """A process of its own: what it cannot write it would try again at its end."""
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", "completion", "bash"]
    with Path("/dev/full").open("wb") as full:
        said = subprocess.run(
            start, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            env=os.environ | {"PYTHONPATH": str(AGENT)},
        )  # fmt: skip
    assert said.returncode != 0
    assert "No space left on device" in said.stderr
    assert "Traceback" not in said.stderr


GROUPS = [name for name in COMMANDS if isinstance(cli.get_command(click.Context(cli), name), click.Group)]


@pytest.mark.parametrize("name", GROUPS)
def test_a_command_of_commands_says_each_one_s_first_sentence_to_its_end(name, capsys):
    assert run([name, "--help"], Session()) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]
