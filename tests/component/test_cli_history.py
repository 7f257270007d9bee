"""history: which versions came, and all of one of them."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.builders.golden import same


def test_history_is_newest_first(shell):
    same("history", shell.run("history").transcript())
    assert "14" not in shell.run("history", "-n", "1").out.split()


def test_one_version_is_told_in_full_with_its_events(shell, house, utc):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    why = "rolled back: module scorer: not ready: HTTP 503"
    house.entries = (
        replace(house.entries[1], result=why, trace=parent, body="{}", epoch=1, taken_back_by="agent"),
    )
    house.happened = [
        {"type": "module.state", "at": "2026-11-24T10:00:30.000Z", "module": "scorer", "version": 14, "state": "unhealthy"},
        {"type": "check.failed", "at": "2026-11-24T10:00:40.000Z", "check": "dns"},
    ]  # fmt: skip
    same("history-version", shell.run("history", "14", "--events").transcript())
    assert json.loads(shell.run("history", "14", "-o", "json").out)["result"] == why
    house.happened = []
    assert "no event of it is kept" in shell.run("history", "14", "--events").out


def test_a_version_that_was_taken_back_has_its_story_pointed_to(shell, house):
    house.entries = (
        house.entries[0],
        replace(house.entries[1], result="rolled back: module scorer: not ready"),
    )
    last = shell.run("history").out.splitlines()[-1]
    assert last == "what became of version 14: edgetender history 14 --events"


def test_history_says_who_had_the_last_word(shell, house):
    newest, older = house.entries
    house.entries = (
        replace(newest, version=17, result="rolled back to version 14 by cli (uid 1000)", taken_back_by="cli (uid 1000)"),
        replace(newest, version=16, result="rolled back: module scorer: not ready", taken_back_by="agent"),
        replace(newest, epoch=2), older,
    )  # fmt: skip
    same("history-by", shell.run("history").transcript())


def test_a_version_that_never_was_is_4_and_events_are_of_one_version(shell):
    said = shell.run("history", "3")
    assert (said.code, said.err) == (
        4, "cannot show version 3: no such version in the history (there are: 15, 14)\n"
    )  # fmt: skip
    assert shell.run("history", "--events").code == 2


def test_a_history_without_entries_says_so(shell, house):
    house.entries = ()
    assert shell.run("history").out == "no version has come here yet\n"


def test_a_version_that_is_being_applied_says_who_knows_how_far_it_is(shell, house):
    house.entries = (replace(house.entries[0], result="applying", finished_at=None),)
    said = shell.run("history", str(house.entries[0].version)).out
    assert "result    applying: edgetender status says how far it is\n" in said
