"""What of a report does the hub not know yet, and when is it told?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from edgetender.errors import LinkDown, ManifestInvalid, Problem
from edgetender.fleet.hub.twin import merge
from edgetender.transports.iothub_report import Reports
from edgetender.trust.envelope import sealed


class Twin:
    """Keeps `iothub_report.Writer`: a twin's reported properties, and every patch to them."""

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {}
        self.patches: list[dict[str, Any]] = []
        self.refuses = 0

    def report(self, patch: Mapping[str, Any], timeout_s: float) -> None:
        if self.refuses:
            self.refuses -= 1
            raise LinkDown("cannot write the twin: 429")
        self.patches.append(dict(patch))
        merge(self.properties, patch)


@pytest.fixture
def twin() -> Twin:
    return Twin()


def reports(quiet_s: float = 0.0, compat: str = "") -> Reports:
    return Reports(compat, quiet_s, lambda: None)


def test_what_is_said_again_is_not_written_again_whatever_its_keys(twin: Twin):
    mine = reports()
    for _ in range(3):
        mine.send(twin, "reported", {"health": "healthy", "aKeyOfTomorrow": {"x": 1}}, 5)
    assert twin.patches == [{"health": "healthy", "aKeyOfTomorrow": {"x": 1}}]


def test_what_is_ours_and_no_more_wanted_goes_and_what_is_others_stays(twin: Twin):
    mine = reports()
    twin.properties = {"candidate": {"version": 3}, "theirs": 1}
    mine.known(twin.properties | {"$version": 4})
    mine.send(twin, "reported", {"health": "healthy", "candidate": None}, 5)
    assert twin.properties == {"health": "healthy", "theirs": 1}


def test_a_refused_write_is_raised_and_not_taken_for_done(twin: Twin):
    mine = reports()
    twin.refuses = 1
    with pytest.raises(LinkDown):
        mine.send(twin, "reported", {"health": "healthy"}, 5)
    mine.send(twin, "reported", {"health": "healthy"}, 5)
    assert twin.properties == {"health": "healthy"}


def test_what_nobody_waits_for_is_held_and_flushed_when_it_is_due(twin: Twin):
    mine = reports(quiet_s=60.0)
    mine.send(twin, "reported", {"health": "waiting", "modules": {"a": {"pullPercent": 0}}}, 5)
    assert mine.due_s() == float("inf")
    mine.send(twin, "reported", {"health": "waiting", "modules": {"a": {"pullPercent": 10}}}, 5)
    assert 0 < mine.due_s() <= 60
    mine.flush(twin)
    assert len(twin.patches) == 1
    mine.send(twin, "reported", {"health": "healthy", "modules": {"a": {"pullPercent": 20}}}, 5)
    assert twin.properties["modules"] == {"a": {"pullPercent": 20}}
    assert mine.due_s() == float("inf")


def test_a_flush_that_is_refused_is_tried_again_later(twin: Twin):
    mine = reports()
    mine.refuse(3, ManifestInvalid((Problem("deployment", "twin.type", "must be a JSON object"),)))
    twin.refuses = 1
    mine.flush(twin)
    assert 0 < mine.due_s() < 10
    assert twin.patches == []


@pytest.mark.parametrize("signed", [False, True])
def test_the_twin_s_version_stands_for_the_manifest_it_held_signed_or_not(twin: Twin, signed: bool):
    body = json.dumps({"schema": "edgetender/v1", "version": 7}).encode()
    mine = reports()
    mine.offered(41, sealed("application/x", body, ()) if signed else body)
    mine.send(twin, "reported", {"lastDesiredVersion": 7, "lastDesiredStatus": {"code": 200}}, 5)
    assert (twin.properties["lastDesiredVersion"], twin.properties["deploymentVersion"]) == (41, 7)


def test_a_manifest_that_came_otherwise_has_no_version_of_the_twin(twin: Twin):
    mine = reports()
    mine.offered(41, b'{"version": 7}')
    mine.send(twin, "reported", {"lastDesiredVersion": 8, "lastDesiredStatus": {"code": 200}}, 5)
    assert "lastDesiredVersion" not in twin.properties
    assert twin.properties["deploymentVersion"] == 8


def test_other_state_has_a_key_of_its_own(twin: Twin):
    mine = reports()
    mine.send(twin, "birth", {"agent": "0.1.0"}, 5)
    mine.send(twin, "reported", {"health": "healthy"}, 5)
    assert twin.properties == {"birth": {"agent": "0.1.0"}, "health": "healthy"}
