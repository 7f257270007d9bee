"""check: what it prints for people and scripts, with an agent and without, and how it ends."""

from __future__ import annotations

import json

import pytest

from edgetender.checks import all_checks
from edgetender.checks.finding import Result, fail, ok, skip, warn
from edgetender.errors import NotFound
from tests.builders.golden import same
from tests.fakes.clock import NOON


def found(**findings):
    """Results of the checks named, in the checks' order."""
    named = {name.replace("_", "-"): finding for name, finding in findings.items()}
    return tuple((Result(c, named[c.id]), NOON) for c in all_checks() if c.id in named)


WELL = found(
    config_parse=ok("/etc/edgetender/config.toml"),
    docker_api=ok("27.5.1, API 1.47 (1.41 or newer is needed)"),
)
MIXED = found(
    config_parse=ok("/etc/edgetender/config.toml"),
    permissions=fail("others can reach /etc/edgetender/credentials/hub", "chmod go-rwx /etc/edgetender/credentials/hub"),
    docker_api=ok("27.5.1, API 1.47 (1.41 or newer is needed)"),
    disk_space=fail("3.1 GiB of 64.0 GiB free in /var/lib/docker: pulls will fail", "docker image prune"),
    clock=warn("no time server sets this clock: it drifts", "timedatectl set-ntp true"),
    link=skip("follows from upstream-tls"),
)  # fmt: skip


def test_all_is_well(shell, house):
    house.found = WELL
    same("check-well", shell.run("check").transcript())


def test_what_fails_says_why_it_matters_and_what_repairs_it_and_ends_with_7(shell, house):
    house.found = MIXED
    same("check", shell.run("check").transcript())


def test_a_dumb_terminal_gets_words_for_marks(shell, house, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    house.found = MIXED
    same("check-dumb", shell.run("check").transcript())


def test_a_warning_alone_is_no_failure(shell, house):
    house.found = found(clock=warn("it drifts", "set it"))
    assert shell.run("check").code == 0


def test_the_agent_is_asked_for_just_what_is_wished(shell, house):
    shell.run("check", "clock", "dns", "--skip", "link", "--fix")
    assert house.asked == [("check", ["clock", "dns"], ["link"], True)]


def test_what_was_fixed_is_said(shell, house):
    ((result, at),) = found(permissions=ok("closed"))
    house.found = ((Result(result.check, result.finding, "closed /etc/edgetender/credentials/hub"), at),)
    assert "fixed closed /etc/edgetender/credentials/hub" in shell.run("check", "--fix").out


def test_scripts_get_the_same_as_a_document(shell, house, front_door):
    house.found = MIXED
    said = shell.run("check", "-o", "json")
    document = json.loads(said.out)
    assert (said.code, document["kind"]) == (7, "Checks")
    assert document["counts"] == {"ok": 2, "warn": 1, "error": 2, "skipped": 1}
    assert document == front_door[0].ask("/v1/checks").document
    disk = next(one for one in document["checks"] if one["id"] == "disk-space")
    assert (disk["severity"], disk["repair"], disk["fixable"], disk["doc"]) == (
        "error", "docker image prune", False, "docs/reference/checks.md#disk-space",
    )  # fmt: skip


def test_an_unknown_check_is_4(shell, house):
    house.errors["check"] = NotFound("cannot find the check 'x': there are clock, dns")
    said = shell.run("check", "x")
    assert (said.code, said.err) == (4, "cannot find the check 'x': there are clock, dns\n")


def test_without_an_agent_it_looks_by_itself_and_says_so(lonely):
    said = lonely.run("check", "config-parse", "-o", "json")
    (only,) = json.loads(said.out)["checks"]
    assert (said.code, only["id"], only["severity"]) == (0, "config-parse", "ok")
    assert "looking without it" in said.err
    assert lonely.run("check", "config-parse", "--local").err == ""
    assert lonely.run("check", "nonsense", "--local").code == 4


def test_a_broken_configuration_is_found_without_an_agent(lonely, tmp_path):
    (tmp_path / "config.toml").write_text('device = "line3 cam7"\n')
    said = lonely.run("check", "config-parse", "clock", "--local")
    assert (said.code, "config.toml:1" in said.out, "edgetender config check" in said.out) == (7, True, True)


def test_the_list_names_every_check_and_when_it_is_well(lonely):
    same("check-list", lonely.run("check", "--list").transcript())
    told = json.loads(lonely.run("check", "--list", "-o", "json").out)["checks"]
    assert [one["id"] for one in told] == [check.id for check in all_checks()]


@pytest.mark.parametrize("body", [b"[]", b'{"ids": "clock"}', b'{"fix": 1}', b'{"skip": [1]}'])
def test_a_wish_of_another_shape_is_refused(front_door, body):
    assert front_door[0].ask("/v1/checks", "POST", body).status == 400
