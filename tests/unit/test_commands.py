"""What a device answers when it is asked from upstream, in the words of IoT Edge's agent and in our own."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from edgetender.commands.answering import DeviceCommands
from edgetender.commands.once import Once
from edgetender.commands.uploads import Uploads
from edgetender.config.settings import Settings
from edgetender.errors import DiskFull, EngineDown, ManifestInvalid, Problem
from edgetender.model.ledger import Decision
from tests.builders import answers
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.house import STAMP, FakeHouse

LINES = ["<6> started", "<4> warm", "<3> failed", "no level"]


@pytest.fixture
def house() -> FakeHouse:
    house = FakeHouse()
    house.statuses = [answers.status(answers.module("scorer"), answers.module("camera"))]
    house.said = {"scorer": LINES, "camera": ["click"]}
    return house


@pytest.fixture
def asked(house: FakeHouse, tmp_path: Path) -> Any:
    clock = FakeClock()
    commands = DeviceCommands(
        house,
        "line3-cam7",
        Uploads(Settings(device="line3-cam7"), clock),
        clock,
        Once(tmp_path / "commands.json"),
    )
    return lambda name, request=None, identity="": commands(name, request, "iothub method", identity)


def logs(**wanted: Any) -> dict[str, Any]:
    return {"schemaVersion": "1.0", "items": [{"id": "scorer", "filter": wanted}]}


@pytest.mark.parametrize("request_", [None, {}, "", {"schemaVersion": "1.0"}])
def test_ping_is_answered_with_nothing(asked, request_: Any):
    assert asked("ping", request_) == (200, None)


def test_names_are_found_whatever_their_case_and_others_are_named(asked):
    assert asked("PING") == (200, None)
    status, answer = asked("Deploy")
    assert status == 400
    assert "GetModuleLogs" in answer["message"]


@pytest.mark.parametrize("request_", [[], "text", 3, {"schemaVersion": "2.0"}, {"schemaVersion": 1}])
def test_what_is_no_request_is_a_400(asked, request_: Any):
    assert asked("RestartModule", request_)[0] == 400


# --- restart, rollback


def test_a_restart_is_a_wish_like_any_other_and_is_answered_once_it_is_decided(asked, house: FakeHouse):
    house.decisions[1] = Decision(1, 200, "restarting scorer")
    assert asked("RestartModule", {"schemaVersion": "1.0", "id": "scorer"}) == (200, None)
    assert house.submitted == [("restart", "iothub method", b'{"module":"scorer"}')]


def test_a_module_that_is_not_there_is_a_400_as_it_is_at_iot_edge(asked, house: FakeHouse):
    house.decisions[1] = Decision(1, 404, "cannot restart 'x': no container of that module")
    assert asked("RestartModule", {"id": "x"}) == (
        400,
        {"message": "cannot restart 'x': no container of that module"},
    )


def test_a_rollback_tells_its_decision(asked, house: FakeHouse):
    house.decisions[1] = Decision(1, 406, "rolling back", 13)
    status, answer = asked("Rollback", {"to": 13})
    assert (status, answer["version"]) == (200, 13)
    house.decisions[2] = Decision(2, 409, "version 13 is what runs already")
    assert asked("Rollback")[0] == 409
    house.decisions[3] = Decision(3, 404, "cannot roll back to version 1:13: not kept here")
    assert asked("Rollback", {"to": "1:13"})[0] == 404
    assert [body for _, _, body in house.submitted] == [b'{"to":13}', b'{"to":null}', b'{"to":"1:13"}']
    assert asked("Rollback", {"to": "13"})[0] == 400


def test_holds_come_from_upstream_too(asked, house: FakeHouse):
    house.decisions = {number: Decision(number, 200, "done") for number in (1, 2, 3)}
    for name, wish in (
        ("Hold", {"module": "scorer", "for_s": 60, "x": 1}),
        ("Release", {}),
        ("ApplyNow", None),
    ):
        assert asked(name, wish)[0] == 200
    assert [(kind, body) for kind, _, body in house.submitted] == [
        ("hold", b'{"for_s":60,"module":"scorer"}'), ("release", b"{}"), ("now", b"{}"),
    ]  # fmt: skip


# --- logs


def test_logs_come_as_text_oldest_first(asked):
    assert asked("GetModuleLogs", logs()) == (200, [{"id": "scorer", "payload": "\n".join([*LINES, ""])}])


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        ({"loglevel": 3}, ["<3> failed"]),
        ({"loglevel": 6}, ["<6> started", "no level"]),
        ({"regex": "warm|failed"}, ["<4> warm", "<3> failed"]),
        ({"regex": "warm|failed", "tail": 1}, ["<3> failed"]),
        ({"tail": 0}, []),
    ],
)
def test_lines_are_chosen_by_level_and_expression_and_then_cut(
    asked, wanted: dict[str, Any], lines: list[str]
):
    [entry] = asked("GetModuleLogs", logs(**wanted))[1]
    assert entry["payload"].splitlines() == lines


def test_all_and_expressions_name_several_modules_and_nobody_is_no_error(asked):
    def ids(name: str) -> list[str]:
        return [entry["id"] for entry in asked("GetModuleLogs", {"items": [{"id": name}]})[1]]

    assert ids("all") == ["scorer", "camera"]
    assert ids("s.*r|x") == ["scorer"]
    assert ids("SCOR") == ["scorer"]  # "edge" is edgeAgent and edgeHub there
    assert ids("^cor|x$") == []


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("1d", "2026-11-23T12:00:00"),
        ("2 hours", "2026-11-24T10:00:00"),
        ("90m", "2026-11-24T10:30:00"),
        ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00"),
        ("1795500000", "2026-11-24T06:00:00"),
    ],
)
def test_since_is_said_in_many_ways(asked, house: FakeHouse, since: str, moment: str):
    assert NOON.isoformat().startswith("2026-11-24T12:00:00")
    asked("GetModuleLogs", logs(since=since))
    assert house.asked[-1][3].isoformat().startswith(moment)


def test_until_ends_them_and_their_moments_come_where_they_are_asked_for(asked, house: FakeHouse):
    wanted = {"until": "2 hours", "includeTimestamp": True, "loglevel": 3, "regex": "^failed"}
    assert asked("GetModuleLogs", logs(**wanted))[1][0]["payload"] == f"{STAMP} <3> failed\n"
    assert house.asked[-1][5].isoformat() == "2026-11-24T10:00:00+00:00"


def test_gzip_and_json(asked):
    request = logs(loglevel=4) | {"encoding": "gzip", "contentType": "json"}
    [entry] = asked("GetModuleLogs", request)[1]
    lines = json.loads(gzip.decompress(base64.b64decode(entry["payloadBytes"])))
    assert lines == [
        {
            "device": "line3-cam7",
            "id": "scorer",
            "stream": "stdout",
            "loglevel": 4,
            "text": "warm",
            "timestamp": STAMP,
        }
    ]


def test_an_answer_stays_below_128_kb_and_loses_its_oldest_lines(asked, house: FakeHouse):
    house.said["scorer"] = [f"{number:06} " + 'x"' * 100 for number in range(5000)]
    _, answer = asked("GetModuleLogs", {"items": [{"id": "all"}]})
    assert len(json.dumps(answer)) < 128 * 1024
    assert answer[0]["payload"].splitlines()[-1].startswith("004999 ")
    assert answer[1] == {"id": "camera", "payload": "click\n"}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"items": []},
        {"items": [1]},
        {"items": [{"id": ""}]},
        {"items": [{"id": "("}]},
        logs(until="tomorrow"),
        logs(includeTimestamp="yes"),
        logs(tail=-1),
        logs(since="yesterday"),
        logs(regex="("),
        logs() | {"encoding": "zstd"},
        logs() | {"contentType": "xml"},
    ],
)
def test_what_cannot_be_chosen_by_is_a_400_that_says_what_can(asked, request_: Any):
    status, answer = asked("GetModuleLogs", request_)
    assert status == 400
    assert answer["message"]


# --- our own


def test_a_plan_is_made_of_a_manifest_and_its_faults_are_told(asked, house: FakeHouse):
    assert asked("Plan", {"manifest": {"version": 3}}) == (200, house.planned)
    assert house.asked == [("plan", b'{"version":3}')]
    house.errors["plan"] = ManifestInvalid((Problem("version", "key.missing", "is missing"),))
    status, answer = asked("Plan", {"manifest": {}})
    assert status == 400
    assert answer["problems"] == [{"path": "version", "code": "key.missing", "message": "is missing"}]


def test_checks_are_run_without_repairs(asked, house: FakeHouse):
    assert asked("Check", {"ids": ["clock"]})[0] == 200
    assert house.asked == [("check", ["clock"], [], False)]
    assert asked("Check", {"ids": "clock"})[0] == 400


def test_a_failure_of_the_device_is_a_500_with_its_reason(asked, house: FakeHouse):
    house.errors["status"] = EngineDown("cannot ask the engine: it is away")
    assert asked("Status") == (500, {"message": "cannot ask the engine: it is away"})
    house.errors["status"] = KeyError("a bug")
    assert asked("Status")[0] == 500


# --- uploads, as far as they are refused


@pytest.mark.parametrize("url", [None, "", "http://store.example/c?sig=x", "https:///c", 3])
def test_an_upload_goes_to_an_https_address_and_to_no_other(asked, url: Any):
    assert asked("UploadModuleLogs", logs() | {"sasUrl": url})[0] == 400
    assert asked("UploadSupportBundle", {"sasUrl": url})[0] == 400


def test_a_task_that_nobody_began_is_unknown(asked):
    assert asked("GetTaskStatus", {"correlationId": "x"})[1]["status"] == "Unknown"
    assert asked("GetTaskStatus", {})[0] == 400


# --- once


def test_an_effect_happens_once_for_each_id_and_the_answer_is_the_first_s(asked, house: FakeHouse):
    house.decisions |= {
        1: Decision(1, 200, "restarting"),
        2: Decision(2, 409, "no"),
        3: Decision(3, 200, "restarting"),
    }
    for _ in range(1000):
        assert asked("RestartModule", {"id": "scorer"}, "a1") == (200, None)
    assert asked("Rollback", {}, "a2")[0] == 409
    assert len(house.submitted) == 2
    assert asked("RestartModule", {"id": "scorer"}) == (200, None), "without an id each one counts"
    assert asked("ping", {}, "a1") == (200, None)


def test_what_cannot_be_written_down_is_not_done(house: FakeHouse, tmp_path: Path):
    clock = FakeClock()
    once = Once(tmp_path / "missing" / "c.json")
    commands = DeviceCommands(house, "cam", Uploads(Settings(device="cam"), clock), clock, once)
    assert commands("RestartModule", {"id": "scorer"}, "mqtt", "a1")[0] == 500
    assert house.submitted == []


def test_what_was_not_done_for_want_of_room_is_done_when_it_is_asked_again(asked, house: FakeHouse):
    house.decisions |= {1: Decision(1, 200, "restarting")}
    house.errors["submit"] = DiskFull("cannot write: the disk is full")
    assert asked("RestartModule", {"id": "scorer"}, "a1")[0] == 500
    del house.errors["submit"]
    assert asked("RestartModule", {"id": "scorer"}, "a1") == (200, None)


def test_a_refusal_is_the_answer_to_its_id(asked, house: FakeHouse):
    first = asked("RestartModule", {}, "a1")
    assert first[0] == 400
    assert asked("RestartModule", {}, "a1") == first
    assert house.submitted == []
