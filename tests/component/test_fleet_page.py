"""The fleet's page in a real browser: what it shows, that it follows, that one finds a device, that anybody can read it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator

import pytest

from edgetender.fleet.devices import Fleet
from edgetender.fleet.server import FleetServer
from tests.contracts.test_fleet import ONLINE, REPORTED, say
from tests.fakes.clock import FakeClock
from tests.services.browser import Browser, browser

__all__ = ["browser"]

HOSTILE = '<img src=x onerror="window.hacked=1">'


@pytest.fixture
def fleet() -> Fleet:
    found = Fleet(FakeClock())
    found.connected = True
    say(found, "cam7", "reported", REPORTED)
    say(found, "cam8", "status", ONLINE | {"state": "offline"})
    say(found, "cam9", "reported", REPORTED | {"health": "healthy", "modules": {"m": {"state": HOSTILE}}})
    return found


@pytest.fixture
def serving(fleet: Fleet) -> Iterator[FleetServer]:
    with FleetServer(fleet, "127.0.0.1", 0) as answering:
        thread = threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield answering
        answering.shutdown()
        thread.join()


@pytest.fixture
def page(serving: FleetServer, browser: Browser) -> Iterator[Browser]:
    browser.complaints.clear()
    browser.size(1200)
    browser.scheme("light")
    browser.open(f"http://127.0.0.1:{serving.server_port}/")
    browser.until("document.body?.dataset.shown")
    yield browser
    browser.open("about:blank")
    browser.until("location.href === 'about:blank'")


def rows(page: Browser) -> list[str]:
    return page.look("[...document.querySelectorAll('tbody th')].map((one) => one.textContent)")  # type: ignore[no-any-return]


def test_it_shows_those_to_look_at_first_and_how_many_are_how(page: Browser) -> None:
    assert rows(page) == ["cam8", "cam7", "cam9"]
    text = page.text()
    for words in ("Fleet of 3", "1 ○ offline", "1 ▲ degraded", "14 → 15 (406)", "ocr ◐ pulling", HOSTILE):
        assert words in text, words
    assert page.look("window.hacked ?? 'safe'") == "safe"
    assert page.complaints == []


def test_it_follows_without_being_asked(page: Browser, fleet: Fleet) -> None:
    say(fleet, "cam10", "reported", REPORTED)
    page.until("document.body.innerText.includes('cam10')")
    fleet.connected = False
    page.until("document.getElementById('link').textContent.includes('The broker does not answer')")


def test_one_finds_the_devices_one_looks_for(page: Browser) -> None:
    page.look("document.getElementById('search').value = 'OFFLINE'")
    page.look("document.getElementById('search').dispatchEvent(new Event('input')), 0")
    assert rows(page) == ["cam8"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_anybody_can_read_it(page: Browser, scheme: str, width: int) -> None:
    page.size(width)
    page.scheme(scheme)
    assert page.look("document.documentElement.scrollWidth <= innerWidth")
    assert page.faults() == []


def ask(serving: FleetServer, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_what_did_not_change_is_not_sent_again(serving: FleetServer, fleet: Fleet) -> None:
    first = ask(serving, "/v1/fleet")
    tag = {"If-None-Match": str(first.headers["ETag"])}
    assert ask(serving, "/v1/fleet", **tag).status == 304
    say(fleet, "cam7", "status", ONLINE)
    assert ask(serving, "/v1/fleet", **tag).status == 200


def test_no_other_path_is_there_and_no_rebound_name_is_answered(serving: FleetServer) -> None:
    assert ask(serving, "/page/../overview.py").status == 404
    assert ask(serving, "/page/view.js").status == 200
    assert ask(serving, "/", Host="evil.example").status == 421
