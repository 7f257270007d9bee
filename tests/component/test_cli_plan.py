"""plan, and what a roll-back would change: shown before anything is done."""

from __future__ import annotations

import json

import pytest

from edgetender.errors import ManifestInvalid, ManifestRefused, Problem
from tests.builders import answers
from tests.builders.answers import change, detail, pull
from tests.builders.golden import same
from tests.builders.manifests import image
from tests.component.test_cli_wishes import IMAGE_TAG, YAML


@pytest.fixture(autouse=True)
def manifest(lonely, tmp_path):
    (tmp_path / "line3.yaml").write_text(YAML)


def test_a_plan_says_what_changes_and_why(shell, house):
    house.planned = answers.plan(
        change("scorer", "change", variant="cpu", why="tensorrt: no NVIDIA driver is loaded", details=[
            detail("env.SCORE_THRESHOLD", "0.55", "0.60"), detail("image", image("scorer", "a"), image("scorer", "b")),
            detail("health.path", None, "/ready"), detail("restart", "always", None),
        ], rollout="start beside, switch by proxy; ready within 30s, and well for 10s; no gap"),
        change("labels", "add", variant="cuda"),
        change("legacy-ocr", "remove", why="the manifest has no such module"),
        change("steady", "keep"),
        pulls=[pull("scorer", image("scorer", "b"), 312, 1900, (6, 9)), pull("labels", image("labels"), why="no answer")],
        disk={"needBytes": 6 * 1024**3, "haveBytes": 5 * 1024**3},
        notes=[f"needs a pull: {image('scorer', 'b')}", "would wait 9h 12m, until 2026-11-28T02:00:00.000Z: night only"],
    )  # fmt: skip
    same("plan", shell.run("plan", "-f", "line3.yaml").transcript())
    assert json.loads(house.asked[0][1])["version"] == 15


def test_a_plan_without_changes_says_so(shell, house):
    house.planned = answers.plan(change("steady", "keep"), runningVersion=None)
    same("plan-nothing", shell.run("plan", "-f", "line3.yaml").transcript())


@pytest.mark.parametrize(("what", "code"), [("add", 8), ("change", 8), ("remove", 8), ("keep", 0)])
def test_only_with_detailed_exitcode_pending_changes_are_8(shell, house, what, code):
    house.planned = answers.plan(change("scorer", what))
    assert shell.run("plan", "-f", "line3.yaml", "--detailed-exitcode").code == code
    assert shell.run("plan", "-f", "line3.yaml").code == 0


def test_the_plans_json_is_the_apis_answer_unchanged(shell, front_door):
    said = shell.run("plan", "-f", "line3.yaml", "-o", "json")
    assert said.out.encode() == front_door[0].ask("/v1/plan", "POST", b"{}").body + b"\n"


def test_faults_the_agent_finds_are_told_with_their_place_in_the_file(shell, house):
    house.errors["plan"] = ManifestInvalid((Problem(*IMAGE_TAG), Problem("nowhere", "x.y", "is missing")))
    same("plan-invalid", shell.run("plan", "-f", "line3.yaml").transcript())


def test_a_plan_the_agent_refuses_is_a_failure(shell, house):
    house.errors["plan"] = ManifestRefused("version 15 is lower than 16", code="manifest.rollback")
    said = shell.run("plan", "-f", "line3.yaml")
    assert (said.code, said.err) == (1, "version 15 is lower than 16\n")


def test_a_rollback_can_be_shown_before_it_is_done(shell, house):
    house.planned = answers.plan(change("scorer", "change"), version=13)
    said = shell.run("rollback", "--to", "13", "--dry-run")
    assert (said.code, house.submitted, house.asked) == (0, [], [("plan_back", 13)])
    assert "Plan: 0 to add, 1 to change, 0 to remove." in said.out
    assert json.loads(shell.run("rollback", "--dry-run", "-o", "json").out) == house.planned
    assert house.asked[-1] == ("plan_back", None)
