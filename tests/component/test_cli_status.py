"""What does `edgetender status` show, in each state a device can be in, on each kind of terminal?"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from tests.builders.answers import module, status, verdict
from tests.builders.golden import same

GIB = 1024**3
PULL = {"doneBytes": int(1.116 * GIB), "totalBytes": int(1.8 * GIB), "bytesPerSecond": 54 * 1024**2}
DIED = {
    "at": "2026-11-24T11:59:19.000Z",
    "code": 1,
    "reason": "exit code 1",
    "log": [f"line {number}" for number in range(1, 20)] + ["FileNotFoundError: 'größe.onnx'"],
}
OFFLINE = {
    "endpoint": "mqtts://hub.example:8883", "connected": False, "since": None,
    "detail": "connection refused", "queued": 117, "dropped": 0,
}  # fmt: skip

CASES = {
    "healthy": status(module(), module("ocr", variant="cuda", restarts=3, cpu=1.5, memoryBytes=int(2.5 * GIB))),
    "pulling": status(
        module("ocr", version=8, variant="cuda", pull=PULL, why="never shown: the figures say it"),
        module("fresh", state="pulling", version=None, variant="", ready=False, since=None, cpu=None,
               memoryBytes=None, pull={"doneBytes": 3 * 1024**2, "totalBytes": None, "bytesPerSecond": 0}),
        health="degraded", version=8, candidate=9, lastDesiredVersion=9,
        lastDesiredStatus=verdict(406, "being applied"),
    ),
    "degraded": status(
        module(),
        module("ocr", state="backoff", ready=False, restarts=7, since="2026-11-24T11:59:19.000Z", cpu=None,
               memoryBytes=None, why="exit code 1; tried again in 41s\nand more below", lastExit=DIED),
        module("labels", state="blocked", version=None, variant="", ready=False, since=None, cpu=None,
               memoryBytes=None, image="", ports=[], why="tensorrt: needs an NVIDIA driver, none is loaded"),
        health="degraded", upstream=OFFLINE, lastDesiredVersion=15,
        lastDesiredStatus=verdict(400, "cannot accept the manifest",
                                  ("modules.ocr.image", "image.tag", "add a digest"), ("", "json.depth", "too deep")),
        notes=["the state database was damaged and rebuilt"],
    ),
    "rolled_back": status(
        module(), lastDesiredVersion=15,
        lastDesiredStatus=verdict(417, "rolled back: module scorer: not ready: connection refused"),
    ),
    "nothing_deployed": status(
        health="waiting", deployment=None, version=None, lastDesiredVersion=None, lastDesiredStatus=None,
        upstream={"endpoint": "none", "connected": False, "since": None, "queued": 0, "dropped": 0,
                  "detail": "no transport is configured"},
    ),
    "engine_down": status(
        module(state="waiting", ready=False, since=None, cpu=None, memoryBytes=None,
               code="engine.down", lastExit=DIED),  # of days ago, which is not what is wrong now
        health="engine down",
        engine={"down": "cannot reach the engine at unix:///var/run/docker.sock: connection refused"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_person_sees_what_runs_and_why_not(shell, house, case):
    house.statuses = [CASES[case]]
    same(f"status-{case}", shell.run("status").transcript())


def test_wide_adds_images_and_ports(shell, house):
    house.statuses = [CASES["healthy"]]
    same("status-wide", shell.run("status", "-o", "wide").transcript())


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("LC_ALL", "C"), ("LC_ALL", "POSIX")])
def test_a_dumb_terminal_and_a_locale_without_utf_8_see_only_ascii(shell, house, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    house.statuses = [CASES["pulling"]]
    said = shell.run("status")
    assert said.out.isascii()
    same("status-dumb", said.transcript())


def test_json_is_the_apis_answer_unchanged_wherever_the_option_stands(shell, front_door):
    for words in (("status", "-o", "json"), ("-o", "json", "status"), ("status", "--output", "json")):
        assert shell.run(*words).out.encode() == front_door[0].ask("/v1/status").body + b"\n"


def test_yaml_says_the_same(shell, house):
    house.statuses = [CASES["degraded"]]
    assert yaml.safe_load(shell.run("status", "-o", "yaml").out) == CASES["degraded"]


def test_an_option_after_the_command_beats_one_before_it(shell):
    assert json.loads(shell.run("-o", "yaml", "status", "-o", "json").out)["kind"] == "Status"


@pytest.mark.parametrize(
    ("environment", "option", "colored"),
    [
        pytest.param({}, None, False, id="piped"),
        pytest.param({}, "always", True, id="always"),
        pytest.param({"NO_COLOR": "1"}, "always", True, id="the option beats NO_COLOR"),
        pytest.param({"FORCE_COLOR": "1"}, None, True, id="FORCE_COLOR"),
        pytest.param({"CLICOLOR_FORCE": "1"}, None, True, id="CLICOLOR_FORCE"),
        pytest.param({"NO_COLOR": "1", "FORCE_COLOR": "1"}, None, False, id="NO_COLOR beats FORCE_COLOR"),
        pytest.param({"FORCE_COLOR": "1"}, "never", False, id="never"),
    ],
)
def test_colour_follows_the_option_then_the_environment_then_the_terminal(
    shell, monkeypatch, environment, option, colored
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = shell.run("status", *([] if option is None else ["--color", option]))
    assert ("\x1b[" in said.out) is colored


def test_columns_stand_the_same_with_and_without_colour(shell, house):
    house.statuses = [CASES["degraded"]]
    plain, colored = shell.run("status"), shell.run("--color", "always", "status")
    assert plain.out != colored.out
    assert click.unstyle(colored.out) == plain.out


@pytest.mark.parametrize(
    ("health", "code"), [("healthy", 0), ("degraded", 7), ("waiting", 7), ("engine down", 7)]
)
def test_with_exit_code_only_healthy_is_0(shell, house, health, code):
    house.statuses = [status(health=health)]
    assert shell.run("status", "--exit-code").code == code
    assert shell.run("status").code == 0


def test_a_terminal_obeys_nothing_that_modules_manifests_or_brokers_wrote(shell, house):
    owned = "\x1b[2Jowned\r\n\x9b31m"
    house.statuses = [
        status(
            module(state="backoff", why=owned, lastExit=DIED | {"reason": owned, "log": [owned]}),
            lastDesiredStatus=verdict(400, "invalid", ("path", "code", owned)),
            upstream=OFFLINE | {"detail": owned},
            notes=[owned],
        )
    ]
    said = shell.run("status").out
    assert not set(said) & {"\x1b", "\r", "\x9b"}
    assert said.count("\\x1b[2Jowned\\x0d \\x9b31m") == 5


@pytest.mark.parametrize(("kind", "colored"), [("xterm-256color", True), ("dumb", False)])
def test_on_a_terminal_it_is_coloured_unless_the_terminal_is_dumb(front_door, house, kind, colored):
    mine, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", "status"]
    agent = str(Path(__file__).parents[2] / "agent")
    environ |= {"TERM": kind, "PYTHONPATH": agent, "EDGETENDER_HOST": front_door[0].host}
    with os.fdopen(mine, "rb", buffering=0) as terminal:
        try:
            assert subprocess.run(start, stdout=theirs, env=environ, check=False, timeout=60).returncode == 0
            said = terminal.read(65536)
        finally:
            os.close(theirs)
    assert (b"\x1b[32m" in said) is colored
    assert b"scorer" in said


@pytest.mark.parametrize(("seconds", "said"), [(0.0004, "(rtt 0.4 ms, "), (0.038, "(rtt 38 ms, "), (None, "online (0 queued)")])  # fmt: skip
def test_a_round_trip_is_said_as_exactly_as_it_matters(shell, house, seconds, said):
    house.statuses = [status(module())]
    house.statuses[0]["upstream"]["roundTripSeconds"] = seconds
    assert said in shell.run("status").out
