"""The pictures in the docs: taken of the real pages in a real browser. GOLDEN=write takes them anew."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edgetender.checks import all_checks
from edgetender.checks.finding import Result, fail, ok
from edgetender.fleet.devices import Fleet
from edgetender.fleet.server import FleetServer
from edgetender.trends import Trends
from tests.builders import golden
from tests.builders.answers import module, status
from tests.contracts.test_fleet import ONLINE, REPORTED, say
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.house import FakeHouse
from tests.services.api import served
from tests.services.browser import Browser, browser

__all__ = ["browser"]

ROOT = Path(__file__).parents[2]
LOOKS = (("light", "light", 1200), ("dark", "dark", 1200), ("narrow", "light", 390))


def hour(ago: int) -> bytes:
    """What the scorer said of drift that many hours ago: its light is no longer what it was."""
    begin = (NOON - timedelta(hours=ago)).timestamp()
    seen = {
        "brightness": (0.34 - ago / 80, 131 - ago),
        "contrast": (0.11 + ago % 3 / 50, 41.5),
        "width": (0.03, 0.62),
    }
    features = {
        name: {"rows": 18_000, "mean": mean + ago % 5 / 20, "stddev": 0.4, "psi": max(0.02, psi)}
        for name, (psi, mean) in seen.items()
    }
    said = {"from": begin, "to": begin + 3600, "rows": 18_000, "features": features}
    return json.dumps({"drift": said}).encode()


def device() -> FakeHouse:
    """A device in the middle of an update, as its page shows it best."""
    pulling = {"doneBytes": 1150 * 1024**2, "totalBytes": 1800 * 1024**2, "bytesPerSecond": 54 * 1024**2}
    ocr = module(
        "ocr", state="pulling", variant="cuda", ready=False, cpu=0.09, memoryBytes=402 << 20, pull=pulling
    )
    made = FakeHouse(
        statuses=[
            status(module(variant="tensorrt"), ocr, health="degraded", candidate=15, lastDesiredVersion=15)
        ]
    )
    found = {
        "clock": ok("set by a time server"),
        "disk-space": fail(
            "3.1 GiB free in /var/lib/docker, 5.2 GiB needed", "docker system df; docker image prune"
        ),
        "dns": ok("hub.example, registry.example"),
        "docker-api": ok("27.5.1, API 1.47"),
    }
    made.found = tuple((Result(one, found[one.id]), NOON) for one in all_checks() if one.id in found)
    made.insights = {
        "plan": {"steps": ["fetch the image of ocr", "replace ocr"], "held": []},
        "variants": [
            {"module": "scorer", "variant": "tensorrt", "verdict": "chosen", "because": ""},
            {"module": "scorer", "variant": "cuda", "verdict": "eligible", "because": ""},
            {"module": "ocr", "variant": "tensorrt", "verdict": "rejected", "because": "needs tensorrt >= 11, here is 10.3"},
            {"module": "ocr", "variant": "cuda", "verdict": "chosen", "because": ""},
        ],
        "hardware": [{"name": "memory_bytes", "value": 16 << 30, "detail": ""}],
    }  # fmt: skip
    trends = Trends(FakeClock())
    for minute in range(-23 * 60, 1, 5):
        busy = round(20 + 8 * math.sin(minute / 140)) + minute * 7919 // 5 % 4
        figures = {
            "cpuRatio": busy / 60,
            "memoryBytes": (590 + busy) << 20,
            "requestsPerSecond": float(busy),
            "errorsPerSecond": 0.0,
            "meanMilliseconds": busy / 4,
            "p95Milliseconds": busy / 2.5,
        }
        state = "unhealthy" if minute in range(-320, -300) else "running"
        gpu = {
            "utilizationRatio": busy / 40,
            "memoryUsedBytes": (1100 + 4 * busy) << 20,
            "temperatureCelsius": 44 + busy // 2,
        }
        whole = {
            "cpuRatio": busy / 90,
            "memoryTotalBytes": 16 << 30,
            "memoryAvailableBytes": (12 << 30) - (busy << 24),
        }
        at = NOON + timedelta(minutes=minute)
        trends.states({"scorer": state}, at)
        trends.take("modules", {"modules": {"scorer": figures}}, at)
        trends.take("device", whole | {"gpus": {"GPU-5f1c9a1b": gpu}}, at)
    trends.heard("scorer", [hour(number) for number in range(23, 0, -1)])
    made.fared = trends.document()
    made.happened = [
        {"id": "2", "type": "module.state", "device": "line3-cam7", "at": "2026-11-24T11:59:19.000Z",
         "module": "ocr", "from": "running", "to": "pulling"},
        {"id": "1", "type": "deployment.received", "device": "line3-cam7", "at": "2026-11-24T11:59:18.000Z", "version": 15},
    ]  # fmt: skip
    return made


@pytest.fixture
def device_page(tmp_path: Path) -> Iterator[str]:
    with served(device(), tmp_path / "admin.sock", listen="127.0.0.1:0") as api:
        yield f"http://127.0.0.1:{api.port}/"


@pytest.fixture
def fleet_page() -> Iterator[str]:
    fleet = Fleet(FakeClock())
    fleet.connected = True
    well = REPORTED | {"health": "healthy", "lastDesiredVersion": 15, "accepted": {"version": 15}}
    well |= {"modules": {name: {"state": "running", "ready": True} for name in ("scorer", "ocr")}}
    well |= {"lastDesiredStatus": {"code": 200, "description": "running", "problems": []}}
    for number in range(1, 9):
        name = f"line3-cam{number}"
        say(fleet, name, "status", ONLINE | ({"state": "offline"} if number == 4 else {}))
        say(fleet, name, "reported", (REPORTED if number == 7 else well) | {"device": name})
    with FleetServer(fleet, "127.0.0.1", 0) as answering:
        thread = threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{answering.server_port}/"
        answering.shutdown()
        thread.join()


@pytest.mark.parametrize(("look", "scheme", "width"), LOOKS)
@pytest.mark.parametrize("page", ["device", "fleet"])
def test_the_docs_have_a_picture_of_each_page(
    request: pytest.FixtureRequest, browser: Browser, page: str, look: str, scheme: str, width: int
) -> None:
    browser.size(width, 800)
    browser.scheme(scheme)
    browser.open(request.getfixturevalue(f"{page}_page"))
    browser.until("document.body?.dataset.shown")
    if page == "device":
        browser.until("document.querySelector('#trends h3') !== null")
    browser.size(width, min(1600, browser.look("document.documentElement.scrollHeight")))
    golden.picture(f"{page}-{look}", browser.picture("webp"))
    browser.open("about:blank")
    browser.until("location.href === 'about:blank'")


def test_each_picture_is_shown_somewhere() -> None:
    shown = set()
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        shown |= {name.rpartition("/")[2] for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())}
    there = {path.name for path in golden.PICTURES.iterdir()}
    assert there == {f"{page}-{look}.webp" for page in ("device", "fleet") for look, *_ in LOOKS}
    assert there - shown == set()
