"""What does the local API tell of the versions a device has had?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from edgetender.clock import rfc3339
from edgetender.model.ledger import BY_ITSELF
from tests.fakes.clock import NOON
from tests.fakes.house import HISTORY, FakeHouse
from tests.services.api import served


@pytest.fixture
def house():
    return FakeHouse()


@pytest.fixture
def api(house, tmp_path):
    with served(house, tmp_path / "admin.sock") as running:
        yield running


def test_history_is_newest_first_and_as_long_as_asked(api):
    document = api.ask("/v1/history").document
    assert [entry["version"] for entry in document["versions"]] == [15, 14]
    assert document["versions"][1] == {
        "version": 14,
        "epoch": 0,
        "name": "14",
        "deployment": "line3",
        "sha256": "b" * 64,
        "source": "cli (uid 0)",
        "by": "uid 0",
        "receivedAt": "2026-11-24T10:00:00.000Z",
        "finishedAt": "2026-11-24T10:01:00.000Z",
        "result": "running",
        "changes": "~scorer +ocr",
        "traceparent": None,
    }
    assert document["versions"][0]["finishedAt"] is None
    assert len(api.ask("/v1/history?limit=1").document["versions"]) == 1


def test_who_had_the_last_word_on_a_version_is_told(api, house):
    newest, older = HISTORY
    house.entries = (
        replace(newest, version=17, taken_back_by="cli (uid 1000)"), replace(newest, version=16, taken_back_by=BY_ITSELF),
        newest, older,
    )  # fmt: skip
    told = [entry["by"] for entry in api.ask("/v1/history").document["versions"]]
    assert told == ["cli (uid 1000)", "agent", None, "uid 0"]


def test_one_version_is_told_with_the_events_that_are_about_it_or_that_its_push_began(api, house):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    house.entries = (replace(HISTORY[0], body="{}", trace=parent), HISTORY[1])
    house.happened = [
        {"type": "deployment.applied", "version": 14}, {"type": "deployment.applying", "version": 15},
        {"type": "module.restarted", "traceparent": parent}, {"type": "check.failed"},
    ]  # fmt: skip
    document = api.ask("/v1/history/15").document
    assert (document["kind"], document["traceparent"], document["kept"]) == ("Version", parent, True)
    assert [one["type"] for one in document["events"]] == ["deployment.applying", "module.restarted"]
    older = api.ask("/v1/history/14").document
    assert ([one["type"] for one in older["events"]], older["kept"]) == (["deployment.applied"], False)


def test_a_number_that_two_epochs_have_is_told_apart_by_its_name(api, house):
    house.entries = (replace(HISTORY[0], version=14, epoch=2), replace(HISTORY[1], epoch=1))
    told = api.ask("/v1/history").document["versions"]
    assert [(one["epoch"], one["version"], one["name"]) for one in told] == [(2, 14, "14"), (1, 14, "1:14")]
    assert api.ask("/v1/history?limit=1").document["versions"] == told[:1]
    for name, epoch in (("14", 2), ("2:14", 2), ("1:14", 1)):
        assert api.ask(f"/v1/history/{name}").document["epoch"] == epoch


def test_of_a_number_that_two_epochs_have_each_is_told_with_its_own_events(api, house):
    newer = replace(HISTORY[0], version=14, epoch=2, received_at=NOON)
    house.entries = (newer, replace(HISTORY[1], epoch=1, received_at=NOON - timedelta(hours=2)))
    early, late = rfc3339(NOON - timedelta(hours=1)), rfc3339(NOON + timedelta(hours=1))
    house.happened = [
        {"type": "deployment.applied", "version": 14, "epoch": 1, "at": early},
        {"type": "module.state", "version": 14, "at": early},
        {"type": "deployment.applied", "version": 14, "epoch": 2, "at": late},
        {"type": "module.state", "version": 14, "at": late},
        {"type": "deployment.rolled_back", "version": 14, "epoch": 1, "at": late},
    ]
    told = {
        name: [house.happened.index(one) for one in api.ask(f"/v1/history/{name}").document["events"]]
        for name in ("14", "1:14")
    }
    assert told == {"14": [2, 3], "1:14": [0, 1, 4]}


@pytest.mark.parametrize("version", ["13", "0", "x", "015", "9" * 300])
def test_a_version_that_is_not_in_the_history_is_404_and_those_that_are_are_named(api, version):
    reply = api.ask(f"/v1/history/{version}")
    assert (reply.status, reply.code) == (404, "not_found")
    assert reply.document["error"]["message"].endswith("(there are: 15, 14)")


@pytest.mark.parametrize("limit", ["-1", "x", "", "1e3", "100001", "²", "9999999999999999999999"])
def test_a_limit_that_is_no_number_is_refused_by_name(api, limit):
    reply = api.ask(f"/v1/history?limit={limit.replace('²', '%C2%B2')}")
    assert (reply.status, reply.code) == (400, "manifest.invalid")
    assert reply.document["error"]["problems"][0]["path"] == "?limit"
