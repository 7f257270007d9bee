"""plan, apply, restart and rollback: what a person is told on the way, and what a script learns at the end."""

from __future__ import annotations

import json

import pytest

from edgetender.model.ledger import Decision
from tests.builders import answers
from tests.builders.answers import module, status, verdict
from tests.builders.golden import same
from tests.services.terminal import Terminal

YAML = """\
schema: edgetender/v1
deployment: line3
version: 15
modules:
  scorer:
    image: registry.example/scorer:latest
    replicas: 3
"""
IMAGE_TAG = ("modules.scorer.image", "image.tag", "names a tag; add @sha256:…")
TAKEN = Decision(1, 406, "being applied", 15)
APPLYING = verdict(406, "being applied")
BEFORE = status(module())
PULLING = status(
    module(pull={"doneBytes": 60, "totalBytes": 100, "bytesPerSecond": 10}),
    candidate=15, lastDesiredVersion=15, lastDesiredStatus=APPLYING,
)  # fmt: skip
STARTING = status(
    module(state="starting", version=15, ready=False, why="waits for /health"),
    candidate=15, lastDesiredVersion=15, lastDesiredStatus=APPLYING,
)  # fmt: skip
ACCEPTED = status(module(version=15), version=15, lastDesiredVersion=15)
TURNED_AWAY = status(
    module(), lastDesiredVersion=15,
    lastDesiredStatus=verdict(417, "rolled back: module scorer: not ready: connection refused"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def manifest(lonely, tmp_path):
    (tmp_path / "line3.yaml").write_text(YAML)


def applied(shell, house, *statuses, decision=TAKEN, words=("apply", "-f", "line3.yaml")):
    house.statuses = list(statuses)
    house.submitted, house.decisions = [], {1: decision} if decision else {}
    return shell.run(*words)


# --- apply ---


def test_apply_waits_until_the_version_is_accepted_and_tells_each_change(shell, house):
    said = applied(shell, house, BEFORE, BEFORE, PULLING, PULLING, STARTING, ACCEPTED)
    same("apply", said.transcript())
    (kind, source, body) = house.submitted[0]
    assert (kind, source, json.loads(body)["deployment"]) == ("manifest", "cli (uid 0)", "line3")


def test_a_root_document_counts_at_once_and_no_version_is_waited_for(shell, house):
    said = applied(
        shell, house, BEFORE, decision=Decision(1, 200, "trust root version 2, epoch 1, counts here")
    )
    assert (said.code, said.err) == (0, "")
    assert said.out == "✓ trust root version 2, epoch 1, counts here\n"


def test_apply_without_waiting_ends_at_the_decision(shell, house):
    said = applied(shell, house, BEFORE, words=("apply", "-f", "line3.yaml", "--no-wait"))
    same("apply-no_wait", said.transcript())


def test_a_manifest_the_agent_finds_invalid_is_6_and_each_fault_has_its_place(shell, house):
    decision = Decision(1, 400, "cannot accept the manifest: 1 fault: …", 15, (IMAGE_TAG,))
    same("apply-invalid", applied(shell, house, BEFORE, decision=decision).transcript())


def test_a_version_the_agent_refuses_is_a_failure(shell, house):
    why = "version 15 is lower than 16, which this device has taken already; send version 17 or higher"
    decision = Decision(1, 409, why, 15, (("version", "manifest.rollback", why),))
    same("apply-refused", applied(shell, house, BEFORE, decision=decision).transcript())


def test_a_version_that_is_rolled_back_is_10_and_says_what_runs_on(shell, house):
    same("apply-rolled_back", applied(shell, house, BEFORE, STARTING, TURNED_AWAY).transcript())


def test_a_rollback_is_noticed_also_when_the_reason_is_not_told(shell, house):
    said = applied(shell, house, BEFORE, STARTING, BEFORE)
    assert said.code == 10
    assert "version 15 was taken back" in said.err


def test_what_the_status_said_before_the_wish_is_no_verdict_on_it(shell, house):
    """The status a decision is followed by may be of the cycle before."""
    old = status(module(), lastDesiredVersion=15, lastDesiredStatus=verdict(400, "invalid"))
    assert applied(shell, house, old, old, STARTING, ACCEPTED).code == 0
    other = status(module(), candidate=14, version=13)
    assert applied(shell, house, other, other, STARTING, ACCEPTED).code == 0


def test_a_version_overtaken_by_a_newer_one_is_a_failure(shell, house):
    said = applied(shell, house, BEFORE, STARTING, status(module(), candidate=16))
    assert (said.code, "superseded by version 16" in said.err) == (1, True)


def test_a_version_that_does_not_come_in_time_is_9_and_the_agent_goes_on(shell, house):
    words = ("apply", "-f", "line3.yaml", "--wait", "5")
    same("apply-timed_out", applied(shell, house, BEFORE, STARTING, words=words).transcript())


def test_a_wish_that_is_not_decided_in_time_is_9(shell, house):
    same("apply-undecided", applied(shell, house, BEFORE, decision=None).transcript())


@pytest.mark.parametrize("last", [ACCEPTED, TURNED_AWAY])
def test_for_scripts_stdout_is_one_document_with_the_exit_code(shell, house, last):
    words = ("apply", "-f", "line3.yaml", "-o", "json")
    said = applied(shell, house, BEFORE, STARTING, last, words=words)
    document = json.loads(said.out)
    assert (document["apiVersion"], document["kind"]) == ("edgetender/v1", "Applied")
    assert document["exit"] == said.code == (0 if last is ACCEPTED else 10)
    assert document["decision"]["version"] == 15


def test_apply_takes_json_from_stdin_too(shell, house, monkeypatch):
    import io

    body = json.dumps(answers.plan()).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(body)))
    assert applied(shell, house, ACCEPTED, words=("apply", "-f", "-")).code == 0
    assert json.loads(house.submitted[0][2]) == answers.plan()


# --- restart and rollback ---


def test_restart_waits_until_the_module_is_ready_again(shell, house):
    house.decisions = {1: Decision(1, 200, "restarting scorer")}
    house.statuses = [
        BEFORE, BEFORE,
        status(module(state="starting", ready=False, since="2026-11-24T12:00:01.000Z")),
        status(module(since="2026-11-24T12:00:02.000Z")),
    ]  # fmt: skip
    same("restart", shell.run("restart", "scorer").transcript())
    assert house.submitted == [("restart", "cli (uid 0)", b'{"module":"scorer"}')]


def test_restarting_an_unknown_module_is_4(shell, house):
    house.decisions = {1: Decision(1, 404, "cannot restart 'nobody': no container of that module")}
    same("restart-unknown", shell.run("restart", "nobody").transcript())


def test_rollback_returns_to_a_version_and_waits_for_it(shell, house):
    house.decisions = {1: Decision(1, 200, "rolled back to version 13 by cli (uid 0)", 13)}
    desired = {
        "lastDesiredVersion": 14,
        "lastDesiredStatus": verdict(417, "rolled back to version 13 by cli"),
    }
    house.statuses = [
        BEFORE, BEFORE,
        status(module(state="starting", version=13, ready=False), candidate=13, **desired),
        status(module(version=13), version=13, **desired),
    ]  # fmt: skip
    same("rollback", shell.run("rollback", "--to", "13").transcript())
    assert house.submitted == [("rollback", "cli (uid 0)", b'{"to":13}')]


def test_a_rollback_that_fails_in_its_turn_ends(shell, house):
    house.decisions = {1: Decision(1, 200, "rolled back to version 13 by cli (uid 0)", 13)}
    house.statuses = [BEFORE, status(module(), candidate=13), BEFORE]
    assert shell.run("rollback").code == 10
    assert house.submitted == [("rollback", "cli (uid 0)", b'{"to":null}')]


def test_a_rollback_to_the_same_number_of_an_epoch_before_is_waited_for(shell, house):
    said = "rolled back to version 14 by cli (uid 0)"
    house.decisions = {1: Decision(1, 200, said, 14, epoch=1)}
    left = {"lastDesiredVersion": 14, "lastDesiredStatus": verdict(417, said)}
    house.statuses = [
        status(module(), epoch=2), status(module(), epoch=2),
        status(module(ready=False), epoch=2, candidate=14, candidateEpoch=1, **left),
        status(module(), epoch=1, **left),
    ]  # fmt: skip
    told = shell.run("rollback", "--to", "1:14")
    assert (told.code, house.submitted) == (0, [("rollback", "cli (uid 0)", b'{"to":"1:14"}')])
    assert not house.statuses[1:]  # none was taken for the end that was not
    assert shell.run("rollback", "--to", "1.14").code == 2


def test_a_rollback_to_a_version_that_is_not_kept_is_4(shell, house):
    house.decisions = {1: Decision(1, 404, "cannot roll back to version 3: not kept here (kept: 13, 14)")}
    same("rollback-unknown", shell.run("rollback", "--to", "3").transcript())


def test_on_a_terminal_the_modules_move_in_their_place_and_stay_as_they_were_last(front_door, house):
    house.statuses = [BEFORE, PULLING, PULLING, STARTING, ACCEPTED]
    house.submitted, house.decisions = [], {1: TAKEN}
    terminal = Terminal("apply", "-f", "line3.yaml", EDGETENDER_HOST=front_door[0].host)
    terminal.until("60 % of 100 B, 10 B/s, ~4s")
    terminal.until("━")
    terminal.until("waits for /health")
    terminal.until("version 15 is accepted")
    assert terminal.end() == 0
    assert "\r\x1b[2K" in terminal.said  # back to where the table began


def test_a_floor_that_was_lost_is_named_and_one_that_is_known_is_left(shell, house):
    house.decisions = {1: Decision(1, 200, "manifests are taken from version 7 on, by cli (uid 0)")}
    said = shell.run("trust", "reset", "--floor", "7")
    assert (said.code, said.out) == (0, "✓ manifests are taken from version 7 on, by cli (uid 0)\n")
    assert house.submitted == [("trust-reset", "cli (uid 0)", b'{"floor":7}')]
    house.decisions = {
        2: Decision(2, 409, "cannot reset the floor: nothing was lost, it is 9, and is never lowered")
    }
    assert "nothing was lost" in shell.run("trust", "reset", "--floor", "7").err


def test_quiet_says_the_result_and_no_progress(shell, house):
    words = ("apply", "-f", "line3.yaml", "-q")
    said = applied(shell, house, BEFORE, PULLING, STARTING, ACCEPTED, words=words)
    assert (said.code, said.err) == (0, "")
    assert "version 15 is accepted" in said.out


@pytest.mark.parametrize(
    ("span", "seconds"), [("5m", 300), ("90", 90), ("0", 0), ("1h30m", 5400), ("1.5s", 1.5)]
)
def test_a_wait_is_a_span_or_seconds(shell, house, span, seconds):
    began = shell.clock.monotonic()
    said = applied(shell, house, BEFORE, words=("apply", "-f", "line3.yaml", "--timeout", span))
    assert (said.code, seconds <= shell.clock.monotonic() - began <= seconds + 1) == (9, True)


@pytest.mark.parametrize("span", ["", "soon", "5 m", "-1", "1d"])
def test_what_is_no_span_is_a_matter_of_usage(shell, span):
    said = shell.run("restart", "scorer", "--timeout", span)
    assert (said.code, "is no span; write it like 90s" in said.err) == (2, True)


def test_how_long_to_wait_may_stand_behind_wait(shell, house):
    words = ("apply", "-f", "line3.yaml", "--wait", "0s")
    assert applied(shell, house, BEFORE, STARTING, words=words).code == 9
    assert applied(shell, house, BEFORE, STARTING, words=(*words, "--no-wait")).code == 0
    assert "'soon' is no span" in shell.run("apply", "-f", "line3.yaml", "--wait", "soon").err
