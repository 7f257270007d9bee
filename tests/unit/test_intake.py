"""What becomes of a delivery: manifests, and a person's wishes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edgetender.decide.intake import digest, entry_of
from edgetender.decide.stride import pull_key
from edgetender.errors import ManifestInvalid, Problem
from edgetender.model.examined import AS_IT_IS, Examined
from edgetender.model.ledger import Attempt, Ledger
from edgetender.model.observed import Observed
from edgetender.model.policy import Images, Policy
from edgetender.model.reading import read_manifest
from tests.builders.ledgers import container, holding, looked, target
from tests.builders.manifests import SCORER, delivery, manifest, module, slot
from tests.fakes.clock import NOON

ONE, TWO, THREE = manifest(1), manifest(2, scorer=module(env={"V": "2"})), manifest(3, new=module())
SERVING = looked(container(target(ONE).spec("scorer")))
VERSIONS = {
    (0, 1): entry_of(slot(ONE), "superseded", "+scorer"),
    (0, 2): entry_of(slot(TWO), "running", "~scorer"),
    (0, 3): entry_of(slot(THREE), "applying", "+new -scorer"),
}


def decided(
    wish: Any,
    kind: str,
    ledger: Ledger,
    observed: Observed = SERVING,
    versions=VERSIONS,
    examined: Examined = AS_IT_IS,
):
    return digest(
        delivery(wish, kind=kind),
        ledger,
        observed,
        versions,
        lambda s: read_manifest(s.body.encode()),
        examined,
    )


# --- manifests


def test_a_taken_manifest_is_entered_with_what_it_changes():
    intake = decided(THREE, "manifest", holding(TWO))
    assert intake.decision.code == 406
    assert [(e.version, e.result, e.changes) for e in intake.history] == [(3, "applying", "+new -scorer")]


def test_a_newer_manifest_closes_the_candidate_before_it_and_keeps_what_that_said():
    intake = decided(THREE, "manifest", holding(ONE, TWO))
    closed = next(entry for entry in intake.history if entry.version == 2)
    assert (closed.result, closed.changes) == ("superseded before it was accepted", "~scorer")
    assert closed.finished_at is not None


def test_a_refused_manifest_is_no_history():
    assert decided(ONE, "manifest", holding(TWO)).history == ()


# --- restart


def test_a_restart_is_wished_for_every_run_there_is():
    intake = decided({"module": "scorer"}, "restart", holding(ONE))
    assert intake.decision.code == 200
    assert intake.ledger.restart_wanted == {SERVING.containers[0].run}


def test_restarting_what_is_not_there_is_answered_with_404():
    intake = decided({"module": "nobody"}, "restart", holding(ONE))
    assert (intake.decision.code, intake.ledger) == (404, holding(ONE))
    down = decided({"module": "scorer"}, "restart", holding(ONE), Observed(engine_down="connection refused"))
    assert "connection refused" in down.decision.description


@pytest.mark.parametrize("kind", ["restart", "rollback"])
@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"7", b'{"to": [], "to": 1}', b'{"module": NaN}'])
def test_a_wish_that_cannot_be_read_is_refused(kind: str, body: bytes):
    assert decided(body, kind, holding(ONE)).decision.code == 400


def test_a_wish_of_another_kind_is_refused():
    assert (
        decided({}, "dance", holding(ONE)).decision.description == "cannot do 'dance': unknown to this agent"
    )


# --- what could not be pulled


def failed_pulls() -> dict[str, Attempt]:
    refused = Attempt(9, NOON, "registry.unauthorized", "no")
    return {
        pull_key("r/a:1"): refused,
        pull_key("r/b:1"): replace(refused, asked_s=600.0),
        "run:scorer:0123456789ab": refused,
    }


@pytest.mark.parametrize(("wish", "kind"), [(THREE, "manifest"), ({}, "rollback")])
def test_who_sends_a_manifest_or_goes_back_waits_for_no_pull_s_back_off_but_as_long_as_a_registry_asked(
    wish, kind
):
    ledger = decided(wish, kind, replace(holding(TWO), attempts=failed_pulls())).ledger
    assert list(ledger.attempts) == [pull_key("r/b:1"), "run:scorer:0123456789ab"]


def test_a_manifest_that_is_refused_has_nothing_pulled_sooner():
    ledger = decided(ONE, "manifest", replace(holding(TWO), attempts=failed_pulls())).ledger
    assert ledger.attempts == failed_pulls()


def test_forgetting_what_a_module_failed_at_is_also_of_its_pulls():
    mine = pull_key(SCORER)
    ledger = replace(holding(ONE), attempts={**failed_pulls(), mine: failed_pulls()[pull_key("r/b:1")]})
    after = decided({"module": "scorer", "action": "forget"}, "variant", ledger).ledger
    assert list(after.attempts) == [pull_key("r/a:1"), pull_key("r/b:1")]


# --- rollback


def test_rolling_back_returns_to_the_newest_version_below_that_ran():
    intake = decided({}, "rollback", holding(TWO))
    assert (intake.decision.code, intake.decision.version) == (200, 1)
    assert (intake.ledger.candidate.version, intake.ledger.accepted.version, intake.ledger.floor) == (1, 2, 2)
    assert (intake.ledger.desired.version, intake.ledger.desired.code) == (2, 417)


def test_rolling_back_while_a_candidate_is_on_its_way_condemns_it_and_stays_at_the_accepted_version():
    intake = decided({}, "rollback", holding(TWO, THREE))
    assert intake.ledger.candidate is None
    assert intake.ledger.accepted.version == 2
    assert [gone.version for gone in intake.ledger.condemned.values()] == [3]
    entry = intake.history[0]
    assert (entry.version, entry.changes) == (3, "+new -scorer")
    assert entry.result.startswith("rolled back to version 2 by mqtt")
    assert entry.by == "mqtt"


def test_rolling_back_past_the_accepted_version_condemns_the_candidate_too():
    intake = decided({"to": 1}, "rollback", holding(TWO, THREE))
    assert intake.ledger.candidate.version == 1
    assert [gone.version for gone in intake.ledger.condemned.values()] == [3]


def test_a_condemned_version_may_be_returned_to_by_hand():
    ledger = decided({}, "rollback", holding(TWO, THREE)).ledger
    intake = decided({"to": 3}, "rollback", ledger)
    assert intake.ledger.candidate.version == 3
    assert intake.ledger.condemned == {}


@pytest.mark.parametrize(
    ("to", "ledger", "code"),
    [
        (9, holding(TWO), 404),
        (2, holding(TWO), 409),
        (3, holding(TWO, THREE), 409),
        ("2", holding(TWO), 400),
        (True, holding(TWO), 400),
        ([1], holding(TWO), 400),
        (1.0, holding(TWO), 400),
    ],
)
def test_a_rollback_to_what_is_not_kept_runs_already_or_is_no_version_changes_nothing(to, ledger, code):
    intake = decided({"to": to}, "rollback", ledger)
    assert (intake.decision.code, intake.ledger, intake.history) == (code, ledger, ())


def test_without_an_earlier_version_there_is_nothing_to_roll_back_to():
    intake = decided({}, "rollback", holding(ONE), versions={(0, 1): VERSIONS[0, 1]})
    said = "cannot roll back: no version before this one was accepted here (kept: 1); name one by --to"
    assert intake.decision.description == said


def test_a_version_that_never_ran_is_not_returned_to_by_itself():
    versions = VERSIONS | {(0, 1): entry_of(slot(ONE), "rolled back: it crashed")}
    assert decided({}, "rollback", holding(TWO), versions=versions).decision.code == 404


def test_a_version_that_this_release_cannot_read_is_not_returned_to():
    def too_new(_):
        raise ManifestInvalid((Problem("schema", "schema.unknown", "cannot read schema 'edgetender/v9'"),))

    intake = digest(
        delivery(json.dumps({"to": 1}).encode(), kind="rollback"), holding(TWO), SERVING, VERSIONS, too_new
    )
    assert (intake.decision.code, intake.ledger) == (409, holding(TWO))
    assert "edgetender/v9" in intake.decision.description


def test_a_version_that_the_owner_allows_no_more_is_not_returned_to():
    elsewhere = Examined(policy=Policy(images=Images(registries=("registry.example/other",))))
    intake = decided({}, "rollback", holding(TWO), examined=elsewhere)
    assert (intake.decision.code, intake.ledger) == (403, holding(TWO))
    assert "modules.scorer.image: registry.example/scorer is not below" in intake.decision.description


def test_a_policy_that_cannot_be_read_allows_no_return():
    broken = Examined(refused=(Problem("", "policy.unusable", "cannot read policy.toml: line 3"),))
    intake = decided({}, "rollback", holding(TWO), examined=broken)
    assert (intake.decision.code, intake.ledger) == (403, holding(TWO))


def test_staying_with_what_runs_asks_no_policy():
    nothing = Examined(policy=Policy(images=Images(registries=())))
    intake = decided({}, "rollback", holding(TWO, THREE), examined=nothing)
    assert (intake.decision.code, intake.ledger.candidate) == (200, None)


def test_a_version_returned_to_is_still_the_one_that_was_signed():
    signed = {(3, 1): entry_of(replace(slot(ONE), epoch=3), "superseded")}
    tags_in_signed_ones_too = Examined(policy=Policy())
    now = replace(holding(), accepted=replace(slot(TWO), epoch=3))
    intake = decided({}, "rollback", now, versions=signed, examined=tags_in_signed_ones_too)
    assert intake.ledger.candidate.epoch == 3
