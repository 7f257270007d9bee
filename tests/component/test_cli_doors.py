"""hardware, logs, history, help and completion; and what every command does where no agent answers."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from edgetender import __version__
from edgetender.cli import COMMANDS, cli
from edgetender.model.hardware import Hardware
from tests.builders.answers import module, status
from tests.builders.golden import same
from tests.builders.hardware import of_h100

AGENT = Path(__file__).parents[2] / "agent"
HEAVY = ("pydantic", "rich", "docker", "uvicorn", "starlette", "requests", "yaml", "http.client", "asyncio")
ASKING = (
    ["status"], ["plan", "-f", "line3.yaml"], ["apply", "-f", "line3.yaml"], ["logs", "scorer"],
    ["restart", "scorer"], ["history"], ["rollback"],
)  # fmt: skip


@pytest.fixture(autouse=True)
def manifest(lonely, tmp_path):
    (tmp_path / "line3.yaml").write_text("schema: edgetender/v1\n")


def process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", *words]
    environ = os.environ | {"PYTHONPATH": str(AGENT)} | environment
    return subprocess.run(
        start, capture_output=True, text=True, check=False, timeout=60, env=environ, errors="replace"
    )


# --- hardware, history, logs ---


def test_verbose_says_on_stderr_what_was_asked(shell):
    said = shell.run("-v", "status", "-o", "json")
    assert json.loads(said.out)["kind"] == "Status"
    assert re.fullmatch(r"GET /v1/status at \S+: 200\n", said.err)


def test_verbose_says_what_lies_behind_an_error(lonely):
    said = lonely.run("status", "--verbose")
    assert said.code == 3
    assert "  because of FileNotFoundError: " in said.err
    assert "because" not in lonely.run("status").err


def test_hardware_is_told_in_a_few_lines_with_what_is_unknown_or_wrong_and_what_helps(shell, house):
    same("hardware", shell.run("hardware").transcript())
    house.facts = of_h100()
    same("hardware-h100", shell.run("hardware").transcript())


def test_hardware_shows_each_fact_and_why_one_is_unknown_where_all_are_wanted(shell):
    same("hardware-all", shell.run("hardware", "--all").transcript())
    same("hardware-wide", shell.run("hardware", "-o", "wide").transcript())


def test_hardware_of_a_device_that_tells_nothing(shell, house):
    house.facts = Hardware()
    assert shell.run("hardware").out == "nothing is known of this device\n"


def test_hardware_is_looked_for_without_an_agent_too(lonely):
    said = lonely.run("hardware", "-o", "json")
    assert said.code == 0
    assert {"arch", "cpu_count", "accelerator"} <= {fact["name"] for fact in json.loads(said.out)["facts"]}
    assert "looking without it" in said.err
    assert lonely.run("hardware", "--local").err == ""


@pytest.mark.parametrize(
    ("command", "target"), [("hardware", "/v1/hardware"), ("history", "/v1/history?limit=20")]
)
def test_json_is_the_apis_answer_unchanged(shell, front_door, command, target):
    assert shell.run(command, "-o", "json").out.encode() == front_door[0].ask(target).body + b"\n"
    assert yaml.safe_load(shell.run(command, "-o", "yaml").out) == front_door[0].ask(target).document


def test_logs_are_what_the_module_said(shell, house):
    house.said["scorer"] = ["ready on port 5001", "größe \x1b[31mrot\x1b[0m"]
    said = shell.run("logs", "scorer", "--tail", "10", "--since", "10m", "-f")
    assert (said.code, said.out) == (0, "ready on port 5001\ngröße rot\n")  # piped: its colours are taken out
    (_, name, tail, since, follow) = house.asked[0]
    assert (name, tail, since.isoformat(), follow) == ("scorer", 10, "2026-11-24T11:50:00+00:00", True)


def test_logs_for_scripts_are_a_document_a_line(shell, house):
    house.said["scorer"] = ["one", "two"]
    expected = [{"module": "scorer", "line": "one"}, {"module": "scorer", "line": "two"}]
    assert [
        json.loads(line) for line in shell.run("logs", "scorer", "-o", "json").out.splitlines()
    ] == expected
    house.said["scorer"] = ["one", "two"]
    assert list(yaml.safe_load_all(shell.run("logs", "scorer", "-o", "yaml").out)) == expected


def test_logs_of_an_unknown_module_are_4_and_the_known_ones_are_named(shell):
    same("logs-unknown", shell.run("logs", "nobody").transcript())


def test_a_moment_that_is_none_is_a_matter_of_usage(shell):
    said = shell.run("logs", "scorer", "--since", "yesterday")
    assert (said.code, "neither a span (10m) nor a time" in said.err) == (2, True)


# --- no agent, no permission, no sense ---


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
def test_without_an_agent_every_command_is_3_and_says_how_to_start_it(lonely, words):
    said = lonely.run(*words)
    assert (said.code, said.out) == (3, "")
    assert "systemctl start edgetender" in said.err


def test_what_is_tried_is_told(lonely, tmp_path):
    same("status-no_agent", lonely.run("status").transcript(DIR=str(tmp_path)))


def test_a_dead_agents_socket_is_no_agent(lonely, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "admin.sock"))
    assert lonely.run("status").code == 3


def test_a_host_of_another_kind_is_refused_with_what_is_understood(lonely):
    said = lonely.run("-H", "tcp://127.0.0.1:1", "status")
    assert (said.code, "unix:///path" in said.err) == (3, True)


def test_the_host_comes_from_the_option_then_the_environment(shell, monkeypatch, front_door):
    shell.host = ""
    monkeypatch.setenv("EDGETENDER_HOST", front_door[0].host)
    assert shell.run("status").code == 0
    assert shell.run("status", "-H", "unix:///nowhere").code == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_open_the_socket_is_told_which_group_to_join(lonely, tmp_path):
    """A child, because a process cannot take its own rights back."""
    ask = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534); from edgetender.cli import main; main()"
    with socket.socket(socket.AF_UNIX) as locked:
        locked.bind(str(tmp_path / "admin.sock"))
        locked.listen()
        (tmp_path / "admin.sock").chmod(0o660)
        words = ["-H", f"unix://{tmp_path}/admin.sock", "status"]
        early = f"import click, difflib, edgetender.api.client, edgetender.cli, edgetender.config, edgetender.cli.status, sys; {ask}"
        done = subprocess.run(
            [sys.executable, "-c", early, *words], capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | {"PYTHONPATH": str(AGENT)},
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (5, "")
    assert "usermod -aG edgetender" in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b'HTTP/1.1 403 x\r\n\r\n{"error":{"code":"api.forbidden","message":"cannot","problems":[]}}', 5, "usermod"),
        (b'HTTP/1.1 500 x\r\n\r\n{"error":{"code":"api.fault","message":"our own","problems":[]}}', 1, "our own"),
        (b"HTTP/1.1 503 x\r\n\r\nService Unavailable", 1, "503: Service Unavailable"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 3, "does not speak HTTP"),
        (b"HTTP/1.1 200 x\r\nContent-Type: a", 3, "broke off"),
        (b"", 3, "does not speak HTTP"),
    ],
)  # fmt: skip
def test_whatever_answers_there_ends_in_a_code_and_a_sentence(lonely, tmp_path, answer, code, said):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "admin.sock"))
        other.listen()

        def reply():
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        done = lonely.run("status")
        thread.join()
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_an_unknown_command_or_option_is_2(lonely):
    for words in (["stauts"], ["status", "--frobnicate"], ["logs"], ["-o", "xml", "status"]):
        assert lonely.run(*words).code == 2


# --- help, version, completion ---


def test_help_lists_every_command_with_its_summary(lonely):
    said = lonely.run("--help")
    rows = [" ".join(line.split()) for line in said.out.splitlines()]
    assert said.code == 0
    assert all(f"{name} {summary}" in rows for name, (_, summary) in COMMANDS.items())
    assert lonely.run("-h").out == said.out


def every_command(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                if (one := command.get_command(context, name)) is not None:
                    yield from every_command(one, f"{path} {name}")


def test_every_option_says_in_a_sentence_what_it_is_for():
    odd = [
        f"{path} {option.opts[-1]}: {option.help}"
        for path, command in every_command(cli, "edgetender")
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
        if not option.help
        or (option.help[0].islower() and option.help.split()[0].isalpha())
        or option.help[-1] not in ".…"
    ]
    assert odd == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help(lonely, name):
    said = lonely.run(name, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: edgetender {name}")


def test_version_is_told_in_each_format(lonely):
    assert lonely.run("version").out == lonely.run("--version").out == f"edgetender {__version__}\n"
    told = json.loads(lonely.run("version", "-o", "json").out)
    assert (told["kind"], told["version"]) == ("Program", __version__)


# --- as a process ---


def test_the_command_line_works_as_a_process(front_door, house):
    done = process("status", EDGETENDER_HOST=front_door[0].host)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scorer" in done.stdout


def test_a_terminal_of_another_encoding_gets_what_it_can_show(front_door, house):
    house.statuses = [status(module(why="größer ▲ 漢"), notes=["漢"])]
    for encoding in ("ascii", "latin-1"):
        done = process("status", PYTHONIOENCODING=encoding, EDGETENDER_HOST=front_door[0].host)
        assert done.returncode == 0, done.stderr
        assert "[ok] running" in done.stdout
        for_scripts = process(
            "status", "-o", "json", PYTHONIOENCODING=encoding, EDGETENDER_HOST=front_door[0].host
        )
        assert json.loads(for_scripts.stdout)["notes"] == ["漢"]


def test_a_reader_that_has_seen_enough_is_no_error(front_door, house):
    house.said["scorer"] = ["x" * 1000] * 10_000
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", "logs", "scorer"]
    environ = os.environ | {"PYTHONPATH": str(AGENT), "EDGETENDER_HOST": front_door[0].host}
    with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert (running.wait(60), running.stderr.read()) == (0, b"")


def test_status_imports_nothing_heavy(front_door, house):
    look = "from edgetender.cli import run; from edgetender.cli.output import Session; import sys; run(['status'], Session()); "
    look += "print(*sorted(set(sys.argv[1:]) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", look, *HEAVY], capture_output=True, text=True, check=True, timeout=60,
        env=os.environ | {"PYTHONPATH": str(AGENT), "EDGETENDER_HOST": front_door[0].host},
    )  # fmt: skip
    assert "scorer" in done.stdout
    assert done.stderr.split() == []
