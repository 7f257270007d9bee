"""The page over HTTP: what is served, with which headers, to whom, and how its stream begins, goes on and ends."""

from __future__ import annotations

import http.client
import json

import pytest

from edgetender.pages import ASSETS, HEADERS
from tests.builders.answers import module, status
from tests.fakes.house import FakeHouse
from tests.services.api import served


@pytest.fixture
def house():
    return FakeHouse()


@pytest.fixture
def api(house, tmp_path):
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0") as running:
        yield running


def get(api, target):
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
    connection.request("GET", target, headers={"Host": "localhost"})
    return connection, connection.getresponse()


@pytest.mark.parametrize("name", ASSETS)
def test_every_file_of_the_page_has_its_type_and_the_strict_headers(api, name):
    connection, answer = get(api, "/" if name == "index.html" else f"/page/{name}")
    assert answer.status == 200
    assert answer.getheader("Content-Type") == ASSETS[name]
    assert {key: answer.getheader(key) for key in HEADERS} == HEADERS
    connection.close()


@pytest.mark.parametrize("target", ["/page/none.js", "/page/../app.py", "/page/%2e%2e%2fapp.py", "/page/"])
def test_no_other_file_can_be_had(api, target):
    assert api.ask_tcp(target).status == 404


def test_a_page_under_a_rebound_name_is_refused_here_too(api):
    for target in ("/", "/v1/page", "/v1/live"):
        assert api.ask_tcp(target, host="evil.example").status == 421


def test_the_page_as_json_holds_all_of_it(api, house):
    house.happened = [{"type": "x"}]
    document = api.ask_tcp("/v1/page").document
    assert document["kind"] == "Page"
    assert document["status"] == house.statuses[0]
    assert document["events"] == [{"type": "x"}]
    assert {"checks", "plan", "variants", "hardware"} <= document.keys()


def messages(answer):
    """The events of a stream, as they come."""
    name = ""
    for raw in answer:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_stream_begins_with_the_page_and_goes_on_when_something_changed(api, house):
    connection, answer = get(api, "/v1/live")
    assert answer.getheader("Content-Type").startswith("text/event-stream")
    stream = messages(answer)
    name, first = next(stream)
    assert (name, first["status"]) == ("page", house.statuses[0])
    house.statuses = [status(module(state="unhealthy"))]
    house.change()
    assert next(stream)[1]["status"]["modules"][0]["state"] == "unhealthy"
    connection.close()


def test_only_time_passing_is_no_news(api, house):
    connection, answer = get(api, "/v1/live")
    stream = messages(answer)
    next(stream)
    house.statuses = [house.statuses[0] | {"uptimeSeconds": 999_999}]
    house.change()
    house.statuses = [house.statuses[0] | {"health": "degraded"}]
    house.change()
    assert next(stream)[1]["status"]["health"] == "degraded"
    connection.close()


def test_while_something_is_fetched_it_looks_again_every_second_by_itself(api, house):
    house.statuses = [status(module(pull={"doneBytes": 1, "totalBytes": 9, "bytesPerSecond": 1}))]
    connection, answer = get(api, "/v1/live")
    stream = messages(answer)
    next(stream)
    house.statuses = [status(module(pull={"doneBytes": 5, "totalBytes": 9, "bytesPerSecond": 1}))]
    assert next(stream)[1]["status"]["modules"][0]["pull"]["doneBytes"] == 5  # nobody said that it changed
    connection.close()


def test_a_stop_ends_the_streams_of_open_pages_too(api):
    connection, answer = get(api, "/v1/live")
    next(messages(answer))
    assert api.stop()
    connection.close()


def test_pages_are_bounded_and_take_no_logs_place(api, house):
    house.said["scorer"] = ["line"]
    held = [get(api, "/v1/live") for _ in range(8)]
    for _, answer in held:
        next(messages(answer))
    assert api.ask_tcp("/v1/live").status == 503
    assert api.ask("/v1/logs/scorer").status == 200
    for connection, _ in held:
        connection.close()
