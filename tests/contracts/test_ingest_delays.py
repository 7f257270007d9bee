"""A module asks at its own door that its update waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.ingest_site import Site, serving, short_place
from tests.services.sending import post


@pytest.fixture
def site() -> Iterator[Site]:
    with short_place() as root, serving(root) as site:
        yield site


def test_a_module_asks_at_its_own_door_that_its_update_waits(site: Site) -> None:
    said = post(site.open(), "", b'{"for_s": 600, "reason": "a batch"}', target="/v1/delay")
    assert said.status == 202
    assert post(site.open(), "", b'{"for_s": 0}', target="/v1/delay").status == 202
    assert site.wishes == [
        ("scorer", {"for_s": 600, "reason": "a batch"}),
        ("scorer", {"for_s": 0, "reason": ""}),
    ]
    assert site.queued == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"600",
        b"{}",
        b'{"for_s": "600"}',
        b'{"for_s": -1}',
        b'{"for_s": true}',
        b'{"for_s": 1e300}',
        b'{"for_s": 1, "reason": {"a": 1}}',
        b'{"for_s": 1, "module": "other"}',
    ],
)
def test_a_wish_that_says_no_time_or_more_than_that_is_refused(site: Site, body: bytes) -> None:
    refused = post(site.open(), "", body, target="/v1/delay")
    assert (refused.status, refused.code, site.wishes) == (400, "delay.malformed", [])
