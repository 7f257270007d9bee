"""The device page in a real browser: what it shows, how it follows, that anybody can read it, and nothing else runs."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from itertools import product
from typing import get_args

import pytest

from edgetender.checks import all_checks
from edgetender.checks.finding import Result, fail, ok
from edgetender.pages import ASSETS, HEADERS, Page, asset
from edgetender.trends import Trends
from tests.builders.answers import module, status, verdict
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.house import FakeHouse
from tests.services.api import served
from tests.services.browser import browser
from tests.unit.test_metrics import DEVICE

__all__ = ["browser"]

HOSTILE = '<img src=x onerror="window.hacked=1">'


def checks(**findings):
    named = {name.replace("_", "-"): finding for name, finding in findings.items()}
    return tuple((Result(c, named[c.id]), NOON) for c in all_checks() if c.id in named)


@pytest.fixture
def house() -> FakeHouse:
    made = FakeHouse(
        statuses=[status(module(), module("ocr", state="waiting", ready=False, why=f"no image {HOSTILE}"))]
    )
    made.found = checks(
        clock=ok("set by a time server"), dns=fail("hub.example: no answer", "getent hosts hub.example")
    )
    made.insights = {
        "plan": {"steps": ["fetch the image of ocr"], "held": [{"module": "ocr", "why": "again in 20 s"}]},
        "variants": [
            {"module": "scorer", "variant": "tensorrt", "verdict": "rejected", "because": "needs accelerator nvidia, here is none"},
            {"module": "scorer", "variant": "cpu", "verdict": "chosen", "because": ""},
        ],
        "hardware": [{"name": "memory_bytes", "value": 16 * 1024**3, "detail": ""}],
    }  # fmt: skip
    trends = Trends(FakeClock())
    trends.states({"scorer": "unhealthy"}, NOON - timedelta(minutes=5))
    trends.states({"scorer": "running"}, NOON)
    asked = {"cpuRatio": 0.5, "memoryBytes": 300, "requestsPerSecond": 20.0, "errorsPerSecond": 0.0}
    asked |= {"meanMilliseconds": 4.0, "p95Milliseconds": 9.5}
    trends.take("modules", {"modules": {"scorer": asked}}, NOON)
    made.fared = trends.document()
    made.happened = [
        {
            "id": "1",
            "type": "check.failed",
            "device": "line3-cam7",
            "at": "2026-11-24T12:00:00.000Z",
            "check": "dns",
            "said": HOSTILE,
        }
    ]
    return made


def drifting_on_a_gpu() -> Trends:
    trends = Trends(FakeClock())
    trends.take("device", DEVICE, NOON)
    trends.states({"scorer": "running"}, NOON)
    for hours, psi in ((2, 0.05), (1, 0.31)):
        said = {
            "from": (NOON - timedelta(hours=hours)).timestamp(),
            "to": (NOON - timedelta(hours=hours - 1)).timestamp(),
            "rows": 640,
            "features": {
                "bmi": {"rows": 640, "mean": -2.5, "stddev": 1.0, "psi": 0.02},
                HOSTILE: {"rows": 640, "mean": 1.5, "stddev": 0.5, "psi": psi},
                "rare": {"rows": 3, "mean": 7.0, "stddev": 0.0, "psi": None},
            },
        }
        trends.heard("scorer", [json.dumps({"drift": said}).encode()])
    return trends


@pytest.fixture
def page(house, browser, tmp_path):
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0") as api:
        browser.complaints.clear()
        browser.size(1200)
        browser.scheme("light")
        browser.open(f"http://127.0.0.1:{api.port}/")
        browser.until("document.body?.dataset.shown")
        yield browser
        browser.open("about:blank")
        browser.until("location.href === 'about:blank'")


def test_it_shows_the_state_and_why_the_plan_the_checks_and_what_happened(page):
    text = page.text()
    for words in (
        "line3-cam7", "● healthy", "line3 version 14", "● running", "◌ waiting", f"no image {HOSTILE}", "41 %", "612.0 MiB",
        "fetch the image of ocr", "ocr waits: again in 20 s", "✗ error", "hub.example: no answer", "getent hosts hub.example",
        "✗ rejected", "needs accelerator nvidia, here is none", "16.0 GiB", "check.failed",
    ):  # fmt: skip
        assert words in text, words
    assert page.look("document.title") == "line3-cam7: healthy"


def test_it_follows_a_deployment_without_being_asked(page, house):
    pulling = {"doneBytes": 50 * 1024**2, "totalBytes": 200 * 1024**2, "bytesPerSecond": 1024**2}
    house.statuses = [
        status(module(), module("ocr", state="pulling", pull=pulling), candidate=15, health="degraded")
    ]
    house.change()
    page.until("document.querySelector('progress')?.value === 50 * 1024 * 1024")
    assert "50.0 MiB of 200.0 MiB" in page.text()
    assert "→ 15, not accepted yet" in page.text()
    house.statuses = [
        status(
            lastDesiredVersion=15,
            lastDesiredStatus=verdict(400, "it has faults", ("modules.x", "e", "no image")),
        )
    ]
    house.change()
    page.until("document.body.innerText.includes('modules.x: no image')")
    assert page.look("document.querySelectorAll('progress').length") == 0


def test_it_says_what_is_held_and_what_waits(page, house):
    hold = {"module": "ocr", "by": "cli (uid 0)", "reason": f"fair {HOSTILE}", "until": None}
    shut = {"code": "window.apply", "why": "apply is for 0 2 * * sat for 4h", "until": "2026-11-28T01:00:00Z"}
    house.statuses = [status(module(), candidate=15, holds=[hold], waits={"download": shut, "apply": shut})]
    house.change()
    page.until("document.body.innerText.includes('is held by')")
    text = page.text()
    assert f"! ocr is held by cli (uid 0): fair {HOSTILE}" in text
    assert text.count("version 15 waits: apply is for 0 2 * * sat for 4h until 2026-11-28T01:00:00Z") == 1


def test_it_shows_how_the_last_day_was(page):
    page.until("document.querySelectorAll('#trends svg').length === 7")
    text = page.text()
    for words in (
        "Last 24 h: running in 50 % of the time that is known", "Requests: now 20/s, at most 20/s",
        "Failed: now 0/s, at most 0/s", "Mean answer: now 4 ms", "95 % of answers begin within: now 9.5 ms, at most 9.5 ms",
        "CPU: now 50 %, at most 50 %", "Memory: now 300 B, at most 300 B",
    ):  # fmt: skip
        assert words in text, words
    assert page.look("document.querySelectorAll('#trends rect').length") == 2


def test_a_device_without_a_gpu_and_modules_that_say_nothing_of_drift_have_no_charts_of_them(page):
    page.until("document.querySelectorAll('#trends svg').length === 7")
    text = page.text()
    assert not {word for word in ("GPU", "Drift", "PSI", "This device") if word in text}


def test_it_shows_how_busy_the_device_and_its_gpu_were_and_which_features_drifted(house, browser, tmp_path):
    house.fared = drifting_on_a_gpu().document()
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0") as api:
        browser.complaints.clear()
        browser.open(f"http://127.0.0.1:{api.port}/")
        browser.until("document.querySelector('#trends h4') !== null")
        text = browser.text()
        for words in (
            "This device", "CPU, of all cores: now 25 %, at most 25 %", "Memory in use: now 7.0 GiB, at most 7.0 GiB",
            "GPU-1", "Busy: now 40 %, at most 40 %", "Memory in use: now 1.0 GiB", "Temperature: now 61 °C",
            "Drift of what scorer is asked", "▲ drifted", "✓ steady", "◌ too few rows",
        ):  # fmt: skip
            assert words in text, words
        rows = "[...document.querySelectorAll('[aria-label=\"Drift of scorer\"] tbody tr')].map((row) => row.innerText)"
        first, second, third = (" ".join(row.split()) for row in browser.look(rows))
        assert first == f"{HOSTILE} ▲ drifted 0.31 1.5 0.5 640"
        assert second == "bmi ✓ steady 0.02 -2.5 1 640"
        assert third == "rare ◌ too few rows \u2013 7 0 3"
        drawn = "document.querySelectorAll('[aria-label=\"Drift of scorer\"] svg').length"
        assert browser.look(drawn) == 5
        for scheme, width in product(("light", "dark"), (1200, 390)):
            browser.size(width)
            browser.scheme(scheme)
            assert browser.look("document.documentElement.scrollWidth <= innerWidth")
            assert browser.faults() == []
        assert browser.look("window.hacked ?? 'safe'") == "safe"
        assert browser.complaints == []
    browser.open("about:blank")
    browser.until("location.href === 'about:blank'")


def test_what_did_not_change_is_not_drawn_again(page, house):
    page.look("document.querySelector('#checks table').dataset.kept = 'yes'")
    before = page.look("document.body.dataset.shown")
    house.statuses = [status(module(state="unhealthy"))]
    house.change()
    page.until(f"document.body.dataset.shown !== '{before}'")
    assert page.look("document.querySelector('#checks table').dataset.kept") == "yes"


def test_what_modules_and_manifests_wrote_is_text_and_nothing_is_refused_or_missing(page):
    assert page.look("window.hacked ?? 'safe'") == "safe"
    assert page.look("document.querySelectorAll('img').length") == 0
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_anybody_can_read_it(page, scheme, width):
    page.size(width)
    page.scheme(scheme)
    assert page.look("document.documentElement.scrollWidth <= innerWidth")
    assert page.faults() == []
    assert page.picture().startswith(b"\x89PNG")


def test_it_is_read_only_where_it_has_no_token(page):
    assert page.look("document.querySelectorAll('button, input').length") == 0
    assert "Read-only" in page.text()


def test_with_its_token_it_gives_orders_and_says_what_became_of_them(house, browser, tmp_path):
    house.orders = True
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0", token="a" * 32) as api:
        browser.complaints.clear()
        browser.open(f"http://127.0.0.1:{api.port}/")
        browser.until("document.querySelectorAll('#orders button').length === 5")
        assert "Read-only" not in browser.text()
        assert browser.look("[...document.getElementById('module').options].map((o) => o.value)") == [
            "scorer",
            "ocr",
        ]
        assert browser.faults() == []
        browser.look("document.getElementById('module').value = 'ocr'")
        browser.look("document.getElementById('token').value = 'guessed'")
        browser.look("document.querySelector('#orders button').click()")
        browser.until("document.getElementById('answer').textContent.startsWith('✗ cannot take this')")
        assert house.submitted == []
        browser.look("document.getElementById('token').value = 'a'.repeat(32)")
        house.change()
        browser.look("document.querySelector('#orders button').click()")
        browser.until("document.getElementById('answer').textContent.startsWith('✓ Restart ocr')")
        assert house.submitted == [("restart", "page", b'{"module":"ocr"}')]
        assert [said for said in browser.complaints if "401" not in said] == []
    browser.open("about:blank")
    browser.until("location.href === 'about:blank'")


def test_an_agent_that_ends_is_said_to_be_gone(house, browser, tmp_path):
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0") as api:
        browser.open(f"http://127.0.0.1:{api.port}/")
        browser.until("document.body?.dataset.shown")
    browser.until("document.getElementById('link').textContent.includes('does not answer')")
    assert "line3-cam7" in browser.text()
    browser.open("about:blank")


def test_the_pages_are_this_origins_alone():
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    for page, name in product(get_args(Page), ASSETS):
        found = asset(page, name)
        if found is None:
            assert (page, name) in {("fleet", f"{one}.js") for one in ("trends", "charts", "drift", "orders")}
            continue
        text = re.sub(rb'xmlns="[^"]*"|http://www.w3.org/2000/svg', b"", found[1])
        assert b"http" not in text.replace(b"https:", b"http") or b"://" not in text, name
        assert b"style=" not in text
        assert b"innerHTML" not in text
