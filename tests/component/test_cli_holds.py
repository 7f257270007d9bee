"""hold, release, and what waits: what a person is told, and what ends it."""

from __future__ import annotations

import json

import pytest

from edgetender.model.ledger import Decision
from tests.builders.answers import module, status
from tests.builders.golden import same
from tests.component.test_cli_wishes import ACCEPTED, APPLYING, BEFORE, STARTING, TAKEN, YAML, applied


@pytest.fixture(autouse=True)
def manifest(lonely, tmp_path):
    (tmp_path / "line3.yaml").write_text(YAML)


SATURDAY = {
    "code": "window.apply", "why": "apply is for 0 2 * * sat for 4h in Europe/Berlin",
    "until": "2026-11-28T01:00:00.000Z",
}  # fmt: skip
WAITING = status(
    module(), candidate=15, lastDesiredVersion=15, lastDesiredStatus=APPLYING, waits={"apply": SATURDAY}
)


def test_a_version_that_waits_for_its_window_is_no_failure_and_no_success(shell, house):
    result = applied(shell, house, BEFORE, WAITING)
    same("apply-waiting", result.transcript())
    assert result.code == 11


def test_apply_now_asks_for_it_and_waits_for_its_end(shell, house):
    house.decisions = {1: TAKEN, 2: Decision(2, 200, "version 15 waits for no window and no module", 15)}
    house.statuses, house.submitted = [BEFORE, WAITING, STARTING, ACCEPTED], []
    result = shell.run("apply", "-f", "line3.yaml", "--now")
    assert (result.code, [kind for kind, _, _ in house.submitted]) == (0, ["manifest", "now"])


def test_a_hold_says_for_how_long(shell, house):
    said = "the device is held until 2026-11-24T14:00:00.000Z"
    result = applied(
        shell,
        house,
        BEFORE,
        decision=Decision(1, 200, said),
        words=("hold", "--for", "2h", "--reason", "fair"),
    )
    same("hold", result.transcript())
    kind, _, wish = house.submitted[0]
    assert (kind, json.loads(wish)) == ("hold", {"module": None, "for_s": 7200, "reason": "fair"})


def test_releasing_what_is_not_held_fails(shell, house):
    refused = Decision(1, 409, "cannot release the device: nothing is held")
    result = applied(shell, house, BEFORE, decision=refused, words=("release",))
    same("release-nothing", result.transcript())
    assert result.code == 1


def test_a_version_that_waits_for_an_operator_says_what_ends_that(shell, house):
    held = {"code": "hold.operator", "why": "the device is held by cli (uid 0): fair", "until": None}
    safe = held | {"why": "the device is held by edgetender: safe mode: …; `edgetender release` ends it"}
    for waits, ending in (
        (held, "fair; edgetender release ends it\n"),
        (safe, "…; `edgetender release` ends it\n"),
    ):
        said = applied(shell, house, BEFORE, WAITING | {"waits": {"download": waits, "apply": waits}})
        assert said.out.endswith(ending)


def test_the_status_says_what_ends_what_a_version_waits_for(shell, house):
    house.statuses = [WAITING]
    assert "! version 15 waits: apply is for" in (said := shell.run("status").out)
    assert said.endswith("; edgetender apply --now waits for none of that\n")
    hold = {"module": "scorer", "by": "cli (uid 0)", "reason": "", "until": None}
    house.statuses = [status(module(), holds=[hold])]
    assert "scorer is held by cli (uid 0); edgetender release scorer ends it" in shell.run("status").out


def test_the_status_says_what_is_held_and_what_waits_until_when(shell, house):
    hold = {"module": None, "by": "cli (uid 0)", "reason": "fair", "until": None}
    house.statuses = [WAITING | {"holds": [hold]}]
    same("status-held", shell.run("status").transcript())
