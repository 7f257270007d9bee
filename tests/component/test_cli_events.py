"""events, logs --grep and watch: what happened, what was said, and how it changes; on a terminal and piped."""

from __future__ import annotations

import json
import signal

from tests.builders.answers import module, status
from tests.builders.golden import same
from tests.services.terminal import Terminal

HAPPENED = [
    {"id": "1-1", "type": "deployment.applying", "device": "line3-cam7", "at": "2026-11-24T11:58:00.000Z", "version": 15, "code": 406},
    {"id": "1-2", "type": "module.ended", "device": "line3-cam7", "at": "2026-11-24T11:59:00.000Z", "module": "scorer", "exitCode": 3,
     "reason": "exited with code 3", "log": ["loading", "no such file \x1b[31mmodel.onnx"]},
    {"id": "1-3", "type": "check.failed", "device": "line3-cam7", "at": "2026-11-24T12:00:00.000Z", "check": "dns", "said": "hub.example: no answer", "repair": "getent hosts hub.example"},
]  # fmt: skip


def test_events_are_told_with_what_they_say_oldest_first(shell, house, utc):
    house.happened = HAPPENED
    same("events", shell.run("events").transcript())


def test_events_can_be_followed_and_chosen_by_type(shell, house):
    house.happened = HAPPENED
    assert "check.failed" not in shell.run("events", "-f", "-n", "7", "--type", "module").out
    assert house.asked == [("events", 7, True, "module")]
    assert shell.run("events", "--type", "check.fail").out == ""
    assert "dns" in shell.run("events", "--type", "check.failed").out


def test_so_many_of_a_type_are_the_newest_of_that_type(shell, house):
    house.happened = [*HAPPENED, HAPPENED[2] | {"id": "1-4", "check": "clock"}]
    told = [
        json.loads(line)["id"]
        for words in (("-n", "1", "--type", "module"), ("-n", "1", "--type", "check"), ("-n", "2"))
        for line in shell.run("events", *words, "-o", "json").out.splitlines()
    ]
    assert told == ["1-2", "1-4", "1-3", "1-4"]
    assert shell.run("events", "-n", "0", "--type", "check").out == ""
    followed = shell.run("events", "-f", "-n", "1", "--type", "module").out
    assert "module.ended" in followed
    assert "check" not in followed


def test_events_for_scripts_are_a_document_a_line(shell, house):
    house.happened = HAPPENED
    assert [json.loads(line) for line in shell.run("events", "-o", "json").out.splitlines()] == HAPPENED


# --- logs ---


def test_logs_can_be_searched_and_say_whose_they_are(shell, house):
    house.said["scorer"] = ["GET /", "ERROR 17", "GET /score", "an error"]
    assert shell.run("logs", "scorer", "--grep", "ERROR \\d+", "--prefix").out == "scorer | ERROR 17\n"
    house.said["scorer"] = ["GET /", "ERROR 17", "GET /score", "an error"]
    assert shell.run("logs", "scorer", "--grep", "(?i)error").out == "ERROR 17\nan error\n"


def test_a_pattern_that_is_none_is_a_matter_of_usage(shell):
    said = shell.run("logs", "scorer", "--grep", "(")
    assert (said.code, "no regular expression" in said.err) == (2, True)


# --- watch ---


def test_piped_each_change_is_one_document_and_standing_still_is_none(shell, house):
    first, second = status(module()), status(module(state="unhealthy"))
    house.statuses = [first, first | {"uptimeSeconds": 7}, second, second]
    said = shell.run("watch", "-n", "4", "--interval", "1")
    assert [json.loads(line) for line in said.out.splitlines()] == [first, second]
    assert (said.code, shell.clock.monotonic()) == (0, 1003.0)


def test_watch_without_an_agent_is_3_as_everywhere(lonely):
    assert lonely.run("watch", "-n", "1").code == 3


def test_on_a_terminal_it_fills_the_screen_follows_changes_and_q_ends_it(front_door, house):
    house.happened = HAPPENED
    house.statuses = [status(module()), status(module()), status(module()), status(module(state="unhealthy"))]
    terminal = Terminal("watch", "--interval", "0.2", EDGETENDER_HOST=front_door[0].host)
    terminal.until("scorer")
    terminal.until("check.failed")
    terminal.until("q ends this")
    terminal.until("unhealthy")
    assert "[ok]" not in terminal.said  # the marks stay those of this terminal
    assert "\x1b[?1049h" in terminal.said  # the other screen: what was there comes back
    terminal.type("q")
    assert terminal.end() == 0


def test_an_agent_that_restarts_meanwhile_is_told_and_awaited(front_door, house):
    from edgetender.errors import StoreDamaged

    terminal = Terminal("watch", "--interval", "0.2", EDGETENDER_HOST=front_door[0].host)
    terminal.until("scorer")
    house.errors["status"] = StoreDamaged("cannot read state.db: broken")
    terminal.until("cannot read state.db")
    del house.errors["status"]
    terminal.said = ""
    terminal.until("scorer")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
