"""What stands in a twin: the manifest that is desired, and a report that fits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.codec import canonical, sha256_hex
from edgetender.errors import ManifestInvalid
from edgetender.fleet.hub.twin import faults, merge, size_of
from edgetender.transports.iothub_edge import edge_shape
from edgetender.transports.iothub_twin import (
    Artifact,
    Reference,
    compact,
    difference,
    in_chunks,
    is_urgent,
    manifest_in,
)

SHA = "0" * 64
JSON = st.recursive(
    st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), JSON, max_size=4)


@pytest.mark.parametrize("desired", [{}, {"$version": 3}, {"telemetryInterval": 5}, {"deployment": None}])
def test_a_twin_that_says_nothing_of_a_manifest_has_none(desired: dict[str, Any]):
    assert manifest_in(desired) is None


def test_a_manifest_may_be_the_property_itself():
    assert manifest_in({"deployment": {"b": 1, "a": 2}, "$version": 3}) == b'{"a":2,"b":1}'


@given(st.text(max_size=9000))
def test_what_was_cut_into_chunks_comes_back_as_it_was(text: str):
    body = json.dumps(text, ensure_ascii=False).encode()
    wanted = in_chunks(body)
    assert all(len(chunk.encode()) <= 4096 for chunk in wanted["chunks"])
    assert manifest_in({"deployment": wanted}) == body


def test_an_artifact_is_named_by_its_digest_and_opened_by_a_credential():
    reference = f"registry.example/fleet/line3@sha256:{'0' * 64}"
    found = manifest_in({"deployment": {"oci": reference, "credential": "fleet"}})
    assert isinstance(found, Artifact)
    assert (str(found.reference), found.credential) == (reference, "fleet")


def test_a_reference_names_where_it_lies_and_its_digest():
    found = manifest_in({"deployment": {"url": "https://a.example/m.json", "sha256": SHA}})
    assert found == Reference("https://a.example/m.json", SHA)


@pytest.mark.parametrize(
    ("deployment", "path"),
    [
        ("text", "deployment"),
        ({"chunks": "text"}, "deployment.chunks"),
        ({"chunks": [1]}, "deployment.chunks"),
        ({"chunks": ["{}"]}, "deployment.sha256"),
        ({"chunks": ["{}"], "sha256": SHA}, "deployment.sha256"),
        ({"url": "http://a.example/m.json", "sha256": SHA}, "deployment.url"),
        ({"url": "https://a.example/m.json"}, "deployment.url"),
        ({"url": "https://a.example:99999/m.json", "sha256": SHA}, "deployment.url"),
        ({"url": "https://a.example:x/m.json", "sha256": SHA}, "deployment.url"),
        ({"url": "https://[a/m.json", "sha256": SHA}, "deployment.url"),
        ({"url": "https:///m.json", "sha256": SHA}, "deployment.url"),
        ({"url": 3, "sha256": SHA}, "deployment.url"),
        ({"oci": "registry.example/fleet/line3:7"}, "deployment.oci"),
        ({"oci": 3}, "deployment.oci"),
        ({"oci": f"r.example/a@sha256:{SHA}", "credential": {}}, "deployment.credential"),
    ],
)
def test_what_is_none_is_refused_with_its_path(deployment: Any, path: str):
    with pytest.raises(ManifestInvalid) as caught:
        manifest_in({"deployment": deployment})
    assert [problem.path for problem in caught.value.problems] == [path]


def test_iot_edge_s_own_properties_are_taken_as_they_are_without_metadata():
    desired = {
        "schemaVersion": "1.1",
        "runtime": {
            "settings": {"registryCredentials": {"r": {"address": "a", "username": "u", "password": "p"}}}
        },
        "modules": {},
        "$version": 4,
        "$metadata": {"x": 1},
    }
    found = manifest_in(desired)
    assert isinstance(found, bytes)
    document = json.loads(found)
    assert document.keys() == {"schemaVersion", "runtime", "modules", "$version"}
    assert document["runtime"] == desired["runtime"]  # the inbox parts it from its passwords


@given(OBJECTS, OBJECTS)
def test_a_difference_merged_by_the_hub_is_what_was_wanted(known: dict[str, Any], wanted: dict[str, Any]):
    merged = json.loads(json.dumps(known))
    merge(merged, difference(known, wanted))
    assert merged == wanted


@given(OBJECTS)
def test_between_equals_there_is_none(document: dict[str, Any]):
    assert difference(document, json.loads(json.dumps(document))) == {}


@pytest.mark.parametrize("count", [1, 29, 64])
def test_a_report_of_many_modules_fits_and_loses_the_least_needed_first(count: int):
    module = {"state": "running", "why": "", "variant": "x" * 60, "image": "i" * 180, "version": 3}
    module |= {
        "lastExit": {"at": "t" * 24, "code": 1, "reason": "r" * 300, "log": ["l" * 80] * 20},
        "since": None,
    }
    report = {"health": "x", "modules": {f"module-{number}": dict(module) for number in range(count)}}
    small = compact(report)
    assert list(faults(small)) == []
    assert size_of(small) < 31 * 1024
    assert {one["state"] for one in small["modules"].values()} == {"running"}
    assert ("lastExit" in small["modules"]["module-0"]) == (count < 64)


def test_what_a_twin_cannot_hold_is_left_out_or_cut():
    report = {
        "candidate": None,
        "lastDesiredStatus": {"description": "x" * 5000, "problems": [{"path": "a.b"}] * 50},
        "modules": {"a.b $c%": {"state": "running", "why": "", "lastExit": {"log": ["secret"], "code": 1}}},
    }
    small = compact(report)
    assert list(faults(small)) == []
    assert "candidate" not in small
    assert len(small["lastDesiredStatus"]["description"]) == 500
    assert len(small["lastDesiredStatus"]["problems"]) == 8
    assert small["modules"] == {"a%2Eb%20%24c%25": {"state": "running", "lastExit": {"code": 1}}}


@pytest.mark.parametrize(
    ("patch", "urgent"),
    [
        ({"modules": {"a": {"pullPercent": 10}}}, False),
        ({"health": "healthy"}, True),
        ({"candidate": None}, True),
    ],
)
def test_somebody_waits_for_a_verdict_and_nobody_for_progress(patch: dict[str, Any], urgent: bool):
    assert is_urgent(patch) is urgent


def test_in_iot_edge_s_shape_queries_for_its_agent_go_on():
    report = {
        "agent": "0.1.0",
        "lastDesiredVersion": 12,
        "lastDesiredStatus": {"code": 200, "description": "running", "problems": []},
        "modules": {
            "scorer": {
                "state": "backoff",
                "why": "exit code 1",
                "restarts": 3,
                "image": f"registry.example/a@sha256:{SHA}",
                "since": "2026-11-24T12:00:00Z",
                "lastExit": {"at": "2026-11-24T12:01:00Z", "code": 1, "reason": "x", "log": ["y"]},
            }
        },
    }
    shaped = edge_shape(report)
    assert shaped["lastDesiredVersion"] == 12
    assert shaped["lastDesiredStatus"] == {"code": 200, "description": "running"}
    assert shaped["modules"]["scorer"] == {
        "type": "docker",
        "status": "running",
        "runtimeStatus": "backoff",
        "statusDescription": "exit code 1",
        "restartCount": 3,
        "exitCode": 1,
        "lastStartTimeUtc": "2026-11-24T12:00:00Z",
        "lastExitTimeUtc": "2026-11-24T12:01:00Z",
        "settings": {"image": "registry.example/a", "imageHash": f"sha256:{SHA}"},
    }
    assert list(faults(shaped)) == []


@pytest.mark.parametrize(("ours", "theirs"), [(200, 200), (400, 400), (406, 406), (409, 500), (417, 500)])
def test_codes_mean_there_what_they_mean_there(ours: int, theirs: int):
    shaped = edge_shape({"lastDesiredStatus": {"code": ours, "description": ""}})
    assert shaped["lastDesiredStatus"]["code"] == theirs


def test_the_digest_of_chunks_is_that_of_the_whole():
    body = canonical({"a": "x" * 10_000})
    assert in_chunks(body)["sha256"] == sha256_hex(body)
