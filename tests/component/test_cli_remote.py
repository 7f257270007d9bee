"""-H ssh://…: an operator's machine asks a device; an `ssh` that is none stands in for the way between them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

AGENT = Path(__file__).parents[2] / "agent"
SSH = """\
#!/bin/sh
printf '%s\\n' "$@" > {home}/words
[ -f {home}/fails ] && . {home}/fails
for last; do :; done
export EDGETENDER_CONFIG={home}/device.toml PATH={home}/device:$PATH
unset EDGETENDER_HOST
exec sh -c "$last"
"""


@pytest.fixture
def way(shell, front_door, tmp_path, monkeypatch):
    """The folder of the stand-in: `words` is what it was called with, `fails` is run first where there is one."""
    program = tmp_path / "device" / "edgetender"
    program.parent.mkdir()
    start = f"exec {sys.executable} -c 'from edgetender.cli import main; main()' \"$@\""
    program.write_text(f"#!/bin/sh\nexport PYTHONPATH={AGENT}\n{start}\n")
    socket = front_door[0].host.removeprefix("unix://")
    (tmp_path / "device.toml").write_text(f'device = "line3-cam7"\n[api]\nsocket = "{socket}"\n')
    (tmp_path / "here").mkdir()
    ssh = tmp_path / "here" / "ssh"
    ssh.write_text(SSH.format(home=tmp_path))
    for made in (program, ssh):
        made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/here:{os.environ['PATH']}")
    shell.host = ""
    return tmp_path


def test_a_device_elsewhere_answers_as_it_would_there(shell, way, front_door):
    there = shell.run("-H", "ssh://anna@line3-cam7:2222", "status", "-o", "json")
    assert (there.code, there.err) == (0, "")
    assert there.out.encode() == front_door[0].ask("/v1/status").body + b"\n"
    assert (way / "words").read_text().splitlines() == [
        "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-l", "anna", "-p", "2222", "--", "line3-cam7",
        "edgetender api-pipe",
    ]  # fmt: skip


def test_wishes_and_streams_go_the_same_way(shell, way, house):
    house.said["scorer"] = [f"line {number}" for number in range(5000)]
    assert shell.run("-H", "ssh://line3-cam7", "logs", "scorer").out.count("\n") == 5000
    assert (
        shell.run("-H", "ssh://line3-cam7", "rollback", "--no-wait", "--to", "14").code == 9
    )  # nobody decides here
    assert [(kind, json.loads(body)) for kind, _, body in house.submitted] == [("rollback", {"to": 14})]


def test_the_environment_may_name_the_device_too(shell, way, monkeypatch):
    monkeypatch.setenv("EDGETENDER_HOST", "ssh://line3-cam7")
    assert shell.run("status").code == 0


@pytest.mark.parametrize(
    ("fails", "code", "said"),
    [
        pytest.param(
            "echo banner >&2; echo 'ssh: Could not resolve hostname cam9' >&2; exit 255", 3,
            "cannot reach the agent at ssh://cam9: ssh: Could not resolve hostname cam9; "
            "see that this works: ssh ssh://cam9 edgetender status\n", id="no_such_host",
        ),
        pytest.param(
            "echo 'sh: 1: edgetender: not found' >&2; exit 127", 3,
            "cannot reach the agent at ssh://cam9: there is no edgetender there, or not on that user's PATH "
            "(sh: 1: edgetender: not found)\n", id="no_edgetender",
        ),
        pytest.param(
            "echo 'cannot open /run/edgetender/admin.sock: Permission denied; join the group' >&2; exit 5", 5,
            "cannot reach the agent at ssh://cam9: cannot open /run/edgetender/admin.sock: Permission denied; "
            "join the group\n", id="not_allowed",
        ),
        pytest.param("echo Welcome; exit 0", 3, "cannot reach the agent at ssh://cam9: it ended without an answer; does that user's shell say something by itself?\n", id="chatty"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_way_is_told_in_one_line(shell, way, fails, code, said):
    (way / "fails").write_text(fails)
    told = shell.run("-H", "ssh://cam9", "status")
    assert (told.code, told.out, told.err) == (code, "", said)


@pytest.mark.parametrize(
    "host", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://a/b", "ssh://u:pw@a", "ssh://-l@a", "tcp://a:1", "line3"]
)  # fmt: skip
def test_what_is_no_address_never_gets_to_ssh(shell, way, host):
    told = shell.run("-H", host, "status")
    assert (told.code, "ssh://[user@]host[:port] are understood" in told.err) == (3, True)
    assert not (way / "words").exists()


@pytest.mark.parametrize("words", [["check"], ["hardware"], ["check", "clock"]])
def test_this_machine_does_not_answer_for_another(shell, way, words):
    (way / "fails").write_text("exit 255")
    told = shell.run("-H", "ssh://cam9", *words)
    assert (told.code, told.out) == (3, "")


def test_a_bundle_is_gathered_on_the_device(shell, way):
    told = shell.run("-H", "ssh://cam9", "support-bundle")
    assert (told.code, "ssh HOST edgetender support-bundle -o -" in told.err) == (2, True)


def test_a_device_without_an_agent_says_so_itself(shell, way):
    (way / "device.toml").write_text(f'device = "x"\n[api]\nsocket = "{way}/nobody.sock"\n')
    told = shell.run("-H", "ssh://cam9", "status")
    assert told.code == 3
    assert "nobody.sock: No such file or directory; start it: systemctl start edgetender" in told.err
