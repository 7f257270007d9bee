"""What does each route of the local API answer, and how does it say no?"""

from __future__ import annotations

import pytest

from edgetender.api.routes import ROUTES
from edgetender.codec import MAX_BYTES
from edgetender.decide.documents import status_document
from edgetender.decide.planning import plan_document
from edgetender.decide.reporting import ModuleReport, ModuleState
from edgetender.errors import (
    EngineDown,
    EngineRefused,
    ManifestInvalid,
    ManifestRefused,
    Problem,
    StoreDamaged,
)
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Decision, Ledger
from edgetender.model.observed import Observed
from edgetender.model.target import Target
from edgetender.model.upstream import Link, OutboxFigures
from tests.builders import answers
from tests.builders.manifests import body, manifest
from tests.fakes.clock import NOON
from tests.fakes.house import FakeHouse, breaking
from tests.services.api import served


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One server for all; `house` gives each test a new house behind it."""
    house = FakeHouse()
    with served(house, tmp_path_factory.mktemp("api") / "admin.sock") as api:
        yield api, house


@pytest.fixture
def house(running):
    return running[1].renew()


@pytest.fixture
def api(running, house):
    return running[0]


def test_the_status_is_the_houses(api, house):
    assert api.ask("/v1/status").document == house.statuses[0]


def test_the_builders_documents_have_the_real_ones_members():
    report = ModuleReport("scorer", ModuleState.RUNNING)
    real = status_document(
        device="d", agent="a", uptime_s=1, link=Link("none", connected=False), outbox=OutboxFigures(),
        target=Target(), observed=Observed(), ledger=Ledger(), reports=(report,), figures={},
    )  # fmt: skip
    built = answers.status(answers.module())
    assert real.keys() == built.keys()
    assert real["upstream"].keys() == built["upstream"].keys()
    assert set(real["modules"][0]) <= set(built["modules"][0])
    planned = plan_document(body(manifest()), Ledger(), Hardware(), None)
    assert planned.keys() == answers.plan().keys()
    assert planned["modules"][0].keys() == answers.change("scorer", "add").keys()


def test_hardware_tells_each_fact_with_its_source(api):
    document = api.ask("/v1/hardware").document
    assert (document["apiVersion"], document["kind"]) == ("edgetender/v1", "Hardware")
    assert document["facts"][3] == {
        "name": "model", "value": None, "source": "device tree, DMI", "detail": "neither names the machine",
    }  # fmt: skip


def test_config_tells_each_value_with_its_origin(api):
    assert api.ask("/v1/config").document["values"] == [
        {"key": "device", "value": "line3-cam7", "origin": "/etc/edgetender/config.toml:1"},
        {"key": "pull.concurrent", "value": 2, "origin": "default"},
    ]


def test_metrics_are_prometheus_text(api):
    assert api.ask("/metrics").body == b"edgetender_up 1.0\n"


def test_healthz_says_ok_and_the_devices_health(api, house):
    house.statuses = [answers.status(health="degraded")]
    reply = api.ask("/healthz")
    assert (reply.status, reply.body) == (200, b"ok degraded\n")


def test_a_plan_gets_the_body_as_it_was_sent(api, house):
    reply = api.ask("/v1/plan", "POST", b'{"a": 1}')
    assert (reply.status, reply.document) == (200, house.planned)
    assert house.asked == [("plan", b'{"a": 1}')]


def test_apply_writes_the_body_down_unread_and_answers_with_its_number(api, house):
    reply = api.ask("/v1/apply", "POST", b"not even json")
    assert reply.document == {"apiVersion": "edgetender/v1", "kind": "Delivery", "delivery": 1}
    assert house.submitted == [("manifest", "cli (uid 0)", b"not even json")]


def test_a_restart_names_its_module(api, house):
    assert api.ask("/v1/modules/scorer%20a/restart", "POST").status == 200
    assert house.submitted == [("restart", "cli (uid 0)", b'{"module":"scorer a"}')]


def test_a_rollback_names_a_version_or_none(api, house):
    for wish in (b"", b"{}", b'{"to": null}', b'{"to": 13}', b'{"to": "1:13"}'):
        assert api.ask("/v1/rollback", "POST", wish).status == 200
    assert [body for _, _, body in house.submitted] == [b'{"to":null}'] * 3 + [b'{"to":13}', b'{"to":"1:13"}']


@pytest.mark.parametrize(
    "wish", [b'{"to": 0}', b'{"to": "13"}', b'{"to": true}', b"[]", b"{", b'{"to":1,"to":2}', b"\xff"]
)
def test_a_rollback_to_nonsense_is_refused_and_not_written_down(api, house, wish):
    reply = api.ask("/v1/rollback", "POST", wish)
    assert (reply.status, reply.code) == (400, "manifest.invalid")
    assert house.submitted == []


def test_holds_and_delays_are_written_down_as_they_were_wished(api, house):
    wish = b'{"for_s":60,"module":"scorer","reason":"fair"}'
    assert api.ask("/v1/hold", "POST", wish).status == 200
    for path in ("/v1/release", "/v1/now"):
        assert api.ask(path, "POST").status == 200
    assert api.ask("/v1/modules/scorer/delay", "POST", b'{"for_s":60}').status == 200
    assert [(kind, body) for kind, _, body in house.submitted] == [
        ("hold", wish), ("release", b"{}"), ("now", b"{}"), ("delay", b'{"for_s":60,"module":"scorer"}'),
    ]  # fmt: skip


@pytest.mark.parametrize("wish", [b"7", b"[]", b"{", b'{"for": 60}'])
def test_a_hold_of_nonsense_is_refused_and_not_written_down(api, house, wish):
    assert api.ask("/v1/hold", "POST", wish).status == 400
    assert house.submitted == []


def test_a_decision_is_told_once_it_is_there(api, house):
    assert api.ask("/v1/decisions/7").document == {
        "apiVersion": "edgetender/v1", "kind": "Decision", "delivery": 7, "decided": False,
    }  # fmt: skip
    house.decisions[7] = Decision(7, 400, "no", 15, (("modules.scorer.image", "image.tag", "no digest"),))
    document = api.ask("/v1/decisions/7").document
    assert document["decided"]
    assert (document["code"], document["description"], document["version"]) == (400, "no", 15)
    assert document["problems"] == [
        {"path": "modules.scorer.image", "code": "image.tag", "message": "no digest"}
    ]


@pytest.mark.parametrize("wish", [b"", b"{}", b"7", b'{"floor":0}', b'{"floor":true}', b'{"floor":9e99}'])
def test_a_floor_of_nonsense_is_refused_and_not_written_down(api, house, wish):
    reply = api.ask("/v1/trust/reset", "POST", wish)
    assert reply.status == 400
    assert house.submitted == []


@pytest.mark.parametrize("number", ["x", "-1", "%C2%B2", "99999999999999999999999"])
def test_a_delivery_that_cannot_be_is_not_found(api, number):
    reply = api.ask(f"/v1/decisions/{number}")
    assert (reply.status, reply.code) == (404, "not_found")


def test_logs_are_lines_and_the_wishes_reach_the_house(api, house):
    house.said["scorer"] = ["ready", "größer"]
    reply = api.ask("/v1/logs/scorer?tail=5&since=2026-11-24T12:00:00Z&follow=1")
    assert reply.body.decode() == "ready\ngrößer\n"
    assert house.asked == [("logs", "scorer", 5, NOON, True)]


def test_logs_of_an_unknown_module_are_not_found_before_any_line(api):
    reply = api.ask("/v1/logs/nobody")
    assert (reply.status, reply.code) == (404, "not_found")
    assert "there are: scorer" in reply.document["error"]["message"]


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-11-24T12:00:00", "tail=-1", "tail=all"])
def test_a_bad_wish_for_logs_is_refused_by_name(api, house, query):
    house.said["scorer"] = ["never said"]
    reply = api.ask(f"/v1/logs/scorer?{query}")
    assert (reply.status, reply.code) == (400, "manifest.invalid")
    assert reply.document["error"]["problems"][0]["path"] == "?" + query.partition("=")[0]


def test_a_log_that_breaks_off_says_so_in_its_last_line(api, house):
    house.said["scorer"] = breaking("one", error=EngineDown("cannot read the logs: the engine is away"))
    reply = api.ask("/v1/logs/scorer")
    assert reply.body == b"one\nedgetender: cannot read the logs: the engine is away\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ManifestInvalid((Problem("a", "b", "c"),)), 400, id="invalid"),
        pytest.param(ManifestRefused("lower", code="manifest.rollback"), 409, id="refused"),
        pytest.param(EngineRefused("no"), 400, id="permanent"),
        pytest.param(EngineDown("away"), 503, id="transient"),
        pytest.param(StoreDamaged("broken"), 500, id="fault"),
    ],
)
def test_each_kind_of_error_has_its_status_and_keeps_its_code(api, house, error, status):
    house.errors["plan"] = error
    reply = api.ask("/v1/plan", "POST", b"{}")
    assert (reply.status, reply.code) == (status, error.code)
    assert reply.document["error"]["message"] == str(error)


def test_an_error_nobody_meant_is_answered_in_the_same_shape_without_its_words(api, house, caplog):
    house.errors["status"] = ZeroDivisionError("secret-looking words")
    reply = api.ask("/v1/status")
    assert (reply.status, reply.code) == (500, "api.fault")
    assert b"secret-looking" not in reply.body
    assert "secret-looking words" in caplog.text  # the journal has them, once
    assert len(caplog.records) == 1


def test_an_unknown_path_or_method_is_answered_in_the_same_shape(api):
    for target, method, status in (
        ("/v2/status", "GET", 404),
        ("/v1/apply", "GET", 405),
        ("/v1/status", "DELETE", 405),
    ):
        reply = api.ask(target, method)
        assert (reply.status, reply.code) == (status, "api.no_route")


def test_a_body_over_the_limit_is_refused_and_the_limit_itself_is_not(api, house):
    assert api.ask("/v1/apply", "POST", b"x" * MAX_BYTES).status == 200
    reply = api.ask("/v1/apply", "POST", b"x" * (MAX_BYTES + 1))
    assert (reply.status, reply.code) == (413, "json.oversized")
    assert len(house.submitted) == 1


def test_what_is_no_http_is_answered_400(api):
    with api.connect() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b"400" in connection.recv(1000)


def test_every_route_is_one_of_those_tested_here():
    assert [f"{route.method} {route.path}" for route in ROUTES] == [
        "GET /healthz",
        "GET /metrics",
        "GET /v1/status",
        "GET /",
        "GET /page/{name}",
        "GET /v1/page",
        "GET /v1/trends",
        "GET /v1/live",
        "GET /v1/checks",
        "POST /v1/checks",
        "GET /v1/hardware",
        "GET /v1/facts",
        "GET /v1/explain/{module}",
        "POST /v1/explain/{module}",
        "GET /v1/history",
        "GET /v1/history/{version}",
        "GET /v1/config",
        "GET /v1/logs/{module}",
        "GET /v1/log",
        "GET /v1/events",
        "GET /v1/decisions/{id}",
        "POST /v1/plan",
        "POST /v1/apply",
        "POST /v1/modules/{module}/restart",
        "POST /v1/modules/{module}/variant",
        "POST /v1/rollback",
        "GET /v1/rollback",
        "POST /v1/hold",
        "POST /v1/release",
        "POST /v1/now",
        "POST /v1/modules/{module}/delay",
        "POST /v1/trust/reset",
    ]
