"""Do the dashboards show something, and do the alerts fire? By a real Prometheus and promtool; Grafana is not run."""

from __future__ import annotations

import json
import re
import runpy
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

import pytest
import yaml

from edgetender.fleet.devices import Fleet
from edgetender.fleet.server import FleetServer
from edgetender.metrics import Metrics
from edgetender.model.figures import CycleFigures
from edgetender_scoring.collector import Collect, Collector
from edgetender_scoring.drift import Reference
from edgetender_scoring.message import Request
from edgetender_scoring.metrics import Metrics as ScoringMetrics
from tests.contracts.test_fleet import ONLINE, REPORTED, say
from tests.fakes.clock import FakeClock
from tests.fakes.house import FakeHouse
from tests.services.api import served
from tests.services.prometheus import Prometheus, prometheus, promtool
from tests.unit.test_metrics import DEVICE, FULL, MODULES

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "modules/dashboard"
BOARDS = sorted((MODULE / "grafana/dashboards").glob("*.json"))
RULES = yaml.safe_load((MODULE / "prometheus/rules.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    found = {
        target["expr"]
        for board in BOARDS
        for panel in json.loads(board.read_text())["panels"]
        for target in panel["targets"]
    }
    return sorted(found)


_NORMAL = Reference(0.0, 1.0, (-1.0, 0.0, 1.0), (0.16, 0.34, 0.34, 0.16))


class Measured(FakeHouse):
    """A house whose metrics are the real catalogue, with one cycle more at each scrape."""

    def metrics(self) -> bytes:
        self.figures.cycle(self.now)
        return self.figures.exposition()

    figures: Metrics
    now: CycleFigures


@pytest.fixture(scope="module")
def agent() -> Measured:
    house = Measured()
    house.figures, house.now = Metrics("0.1.0"), replace(FULL, refusals=("signature.invalid",))
    house.figures.sample("device", DEVICE)
    house.figures.sample("modules", MODULES)
    house.figures.checks({"clock": 0, "dns": 2})
    return house


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    found = Fleet(FakeClock())
    say(found, "cam7", "status", ONLINE)
    say(found, "cam7", "reported", REPORTED)
    found.connected = True
    return found


class _ScoringServer(BaseHTTPRequestHandler):
    """The scoring server's own figures, with one answer more at each scrape."""

    figures, collector = ScoringMetrics("0.1.0"), Collector(Collect(Path(), baseline={"bmi": _NORMAL}))

    def do_GET(self) -> None:
        self.figures.scored(200, 0.004)
        body = self.figures.render(
            in_flight=0, queued=0, threads=1, abandoned=0, named=None, models=(), collectors=(self.collector,)
        )
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def scoring() -> Iterator[int]:
    """The port of a server that was asked enough to compare with a baseline."""
    collector = _ScoringServer.collector
    rows = json.dumps({"data": [{"bmi": index / 100} for index in range(200)]}).encode()
    collector.note(Request("POST", b"/score", b"", keep_alive=True, body=rows), 200, b"", "", "")
    collector.close()
    with ThreadingHTTPServer(("127.0.0.1", 0), _ScoringServer) as answering:
        thread = threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield answering.server_port
        answering.shutdown()
        thread.join(60)


@pytest.fixture(scope="module")
def scraping(
    agent: Measured, fleet: Fleet, scoring: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    answering = FleetServer(fleet, "127.0.0.1", 0)
    thread = threading.Thread(target=answering.serve_forever)
    thread.start()
    home = tmp_path_factory.mktemp("prometheus")
    try:
        with (
            served(agent, home / "admin.sock", listen="127.0.0.1:0") as api,
            prometheus(
                home / "home",
                {
                    "edgetender": api.port or 0,
                    "edgetender-fleet": answering.server_port,
                    "edgetender-scoring": scoring,
                },
            ) as found,
        ):
            found.until("count(up == 1) == 3")
            yield found
    finally:
        answering.shutdown()
        answering.server_close()
        thread.join(60)


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_of_every_panel_returns_samples(scraping: Prometheus, expression: str) -> None:
    asked = (
        expression.replace("$__rate_interval", "10s")
        .replace("$__range", "10s")
        .replace("$instance", ".*")
        .replace("$device", ".*")
    )
    assert "$" not in asked
    assert scraping.until(asked)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_metric_of_every_alert_is_there(scraping: Prometheus, rule: dict[str, str]) -> None:
    names = set(re.findall(r"\bedgetender_\w+|\bup\b", re.sub(r"\{[^}]*\}", "", rule["expr"])))
    assert names
    for name in names:
        assert scraping.until(name)


def test_the_agents_metrics_are_as_prometheus_wants_them(agent: Measured) -> None:
    promtool("check", "metrics", stdin=agent.metrics())


def test_the_rules_are_sound_and_each_fires_when_it_should_and_only_then() -> None:
    assert f"{len(ALERTS)} rules found" in promtool(
        "check", "rules", "rules.yml", folder=MODULE / "prometheus"
    )
    promtool("test", "rules", "rules_test.yml", folder=MODULE / "prometheus")
    tests = yaml.safe_load((MODULE / "prometheus/rules_test.yml").read_text())["tests"]
    tested = [
        (each["alertname"], bool(each["exp_alerts"])) for test in tests for each in test["alert_rule_test"]
    ]
    assert sorted(tested) == sorted((rule["alert"], fires) for rule in ALERTS for fires in (True, False))


def test_the_configuration_of_prometheus_is_sound() -> None:
    promtool("check", "config", "prometheus.yml", folder=MODULE / "prometheus")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook_that_says_where_to_look_and_what_repairs_it(rule) -> None:
    text = (ROOT / rule["annotations"]["runbook"]).read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    assert {"## Look", "## Repair"} <= set(text.splitlines())
    assert f"({Path(rule['annotations']['runbook']).name})" in (ROOT / "docs/runbooks/README.md").read_text()
    assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_a_dashboard_is_what_its_table_says_and_ties_itself_to_no_data_source(board: Path) -> None:
    written = board.read_text()
    assert written == runpy.run_path(str(MODULE / "generate.py"))["text"](board.stem), (
        "run modules/dashboard/generate.py"
    )
    document = json.loads(written)
    assert document["uid"]
    assert document["title"]
    titles = [panel["title"] for panel in document["panels"]]
    assert len(titles) == len(set(titles))
    for panel in document["panels"]:
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_a_dashboard_has_what_grafana_s_schema_asks_for_and_no_panel_lies_on_another(board: Path) -> None:
    document = json.loads(board.read_text())
    assert document.keys() >= {"uid", "title", "schemaVersion", "version", "time", "templating", "panels"}
    assert re.fullmatch(r"[a-z0-9-]{1,40}", document["uid"])
    source, choice = document["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert (choice["type"], choice["datasource"]["uid"]) == ("query", "${datasource}")
    panels = document["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["type"] in ("stat", "timeseries", "table")
        assert panel["fieldConfig"].keys() == {"defaults", "overrides"}
        names = [target["refId"] for target in panel["targets"]]
        assert names
        assert len(set(names)) == len(names)
        place = panel["gridPos"]
        assert (min(place.values()) >= 0, place["x"] + place["w"] <= 24) == (True, True), panel["title"]
        mine = set(
            product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert mine, panel["title"]
        assert not mine & taken, panel["title"]
        taken |= mine
        variables = set(re.findall(r"\$(\w+)", json.dumps(panel["targets"]))) - {"__rate_interval", "__range"}
        assert variables <= {one["name"] for one in document["templating"]["list"]}, panel["title"]


def test_what_grafana_and_compose_are_given_can_be_read() -> None:
    for path in [*MODULE.glob("grafana/provisioning/*/*.yaml"), MODULE / "compose.yaml"]:
        document = yaml.safe_load(path.read_text())
        assert document.get("apiVersion") == 1 or set(document) == {"services"}
