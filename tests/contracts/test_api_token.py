"""The page's few orders: with its token, from the page itself, and written down; without one it is read-only."""

from __future__ import annotations

import logging

import pytest

from edgetender.config.settings import ApiSettings, Settings
from edgetender.errors import CredentialUnusable
from edgetender.linking import page_token_of
from edgetender.secret import Secret
from tests.fakes.house import FakeHouse
from tests.services.api import served

TOKEN = "0123456789abcdef0123456789abcdef"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
GIVEN = ("/v1/modules/scorer/restart", "/v1/rollback", "/v1/hold", "/v1/release", "/v1/checks")
KEPT = (
    "/v1/apply",
    "/v1/modules/scorer/variant",
    "/v1/now",
    "/v1/modules/scorer/delay",
    "/v1/trust/reset",
    "/v1/plan",
)


@pytest.fixture
def house():
    return FakeHouse()


@pytest.fixture
def api(house, tmp_path):
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0", token=TOKEN) as running:
        yield running


@pytest.mark.parametrize("target", GIVEN)
def test_with_the_token_it_takes_the_few_orders_of_the_page(api, target):
    assert api.ask_tcp(target, "POST", **RIGHT).status == 200


def test_who_gave_an_order_is_in_the_history(api, house):
    api.ask_tcp("/v1/modules/scorer/restart", "POST", **RIGHT)
    assert house.submitted[-1][:2] == ("restart", "page")


@pytest.mark.parametrize("target", KEPT)
def test_more_than_these_cannot_be_had_with_it(api, house, target):
    assert api.ask_tcp(target, "POST", **RIGHT).code == "api.forbidden"
    assert house.submitted == []


def test_what_was_found_is_repaired_by_no_page(api):
    assert api.ask_tcp("/v1/checks", "POST", body=b'{"fix": true}', **RIGHT).status == 400


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        "Bearer \xe9",
    ],
)
def test_another_token_or_none_is_refused(api, house, shown):
    assert api.ask_tcp("/v1/rollback", "POST", Authorization=shown).code == "api.token"
    assert house.submitted == []


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost", "http://127.0.0.1:8787", ""]
)
def test_a_page_of_another_address_is_refused_even_with_the_token(api, house, origin):
    assert api.ask_tcp("/v1/rollback", "POST", **RIGHT, Origin=origin).code == "api.origin"
    assert house.submitted == []


def test_no_other_page_is_told_that_it_may_send_the_token(api):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Headers": "authorization"}
    answer = api.ask_tcp("/v1/rollback", "OPTIONS", **asked)
    assert answer.status == 405


def test_its_own_page_is_not_foreign(api):
    assert api.ask_tcp("/v1/rollback", "POST", **RIGHT, Origin="http://localhost:8787").status == 200


def test_every_order_is_written_down_taken_or_not_and_the_token_nowhere(api, caplog):
    caplog.set_level(logging.INFO)
    api.ask_tcp("/v1/hold", "POST", **RIGHT)
    api.ask_tcp("/v1/hold", "POST", Authorization=f"Bearer x{TOKEN}")
    told = [record.fields for record in caplog.records if record.name == "edgetender.audit"]
    assert [(one["path"], one["status"]) for one in told] == [("/v1/hold", 200), ("/v1/hold", 401)]
    assert TOKEN not in caplog.text


def test_without_a_token_of_its_own_the_page_is_read_only(house, tmp_path):
    with served(house, tmp_path / "admin.sock", listen="127.0.0.1:0") as api:
        for target in GIVEN:
            assert api.ask_tcp(target, "POST", **RIGHT).code == "api.forbidden"
    assert house.submitted == []


def test_a_token_is_read_anew_each_time_and_a_short_one_is_refused():
    kept = ["", "a" * 16 + "\n"]
    settings = Settings(device="cam7", api=ApiSettings(page_credential="page"))
    token = page_token_of(settings, lambda name: Secret(kept[0]) if name == "page" else Secret(""))
    assert token is not None
    with pytest.raises(CredentialUnusable, match="openssl rand -hex 16"):
        token()
    kept.pop(0)
    assert token() == Secret("a" * 16)
    assert page_token_of(Settings(device="cam7"), lambda _: Secret("")) is None
