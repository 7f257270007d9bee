"""Documents that are no manifests, and floods of those that are: a signed device refuses, in little time and memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from edgetender.store.state import SqliteStore
from tests.builders.loops import running
from tests.builders.manifests import SCORER, image, manifest, module
from tests.builders.signing import deployment, signed
from tests.builders.sites import KEYS, Site

MOST_BYTES, LONGEST_S = 32 * 1024**2, 1.0
MOST_READ = 256 * 1024 + 1  # no transport hands more on

# what is wrong with the document, and once more with the payload that a trusted key signed
JSON: dict[str, bytes] = {
    "nothing": b"",
    "truncated": b'{"schema": "edgetender/v1", "mod',
    "100,000 levels": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "a string of 10 MB": b'{"schema":"' + b"x" * 10_000_000 + b'"}',
    "keys given twice": b'{"schema":1,"schema":2}',
    "NaN": b'{"version":NaN}',
    "infinity": b'{"version":-Infinity}',
    "10 to the 400th": b'{"version":1' + b"0" * 400 + b"}",
    "a float beyond all": b'{"version":1e999}',
    "a lone surrogate": b'{"deployment":"\\ud800"}',
    "a byte order mark": b'\xef\xbb\xbf{"schema":"edgetender/v1"}',
    "UTF-16": '{"schema":"edgetender/v1"}'.encode("utf-16"),
    "something behind it": b'{"schema":"edgetender/v1"} {}',
    "null bytes": b'{"schema":\x00"edgetender/v1"}',
    "bytes of no encoding": b'{"schema":"\xff\xfe"}',
    "a number of a quarter megabyte": b"9" * 250_000,
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    assert site.send(7) == (200, "")
    site.loop.engine.effects.clear()
    site.loop.puller.submitted.clear()
    return site


@pytest.mark.parametrize("name", JSON)
def test_what_is_no_document_is_refused_cheaply_and_touches_nothing(site: Site, name: str):
    before, floor = running(site.loop), site.loop.last.ledger.floor
    for body in (JSON[name], signed(KEYS, JSON[name] or b" ")):
        tracemalloc.start()
        began = time.process_time()
        site.loop.push(body[:MOST_READ])
        site.loop.cycle()
        took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        desired = site.loop.last.ledger.desired
        assert desired is not None
        assert desired.code in (400, 403), desired
        assert desired.problems
        assert took < LONGEST_S
        assert peak < MOST_BYTES
    assert running(site.loop) == before
    assert (site.loop.engine.effects, site.loop.puller.submitted) == ([], [])
    assert site.loop.last.ledger.floor == floor


def test_of_a_flood_in_any_order_one_is_applied_the_highest(tmp_path: Path):
    """A thousand, many of them twice, in no order: what one look finds, one decision ends."""
    site = Site(tmp_path)
    site.loop.puller.registry |= {image("m", digit) for digit in "0123456789abcdef"}
    documents = [
        signed(KEYS, deployment(manifest(version, scorer=module(image=image("m", f"{version % 16:x}")))))
        for version in range(1, 101)
    ]
    chosen = random.Random(8)
    for body in chosen.choices(documents, k=900) + documents + [documents[-1]]:
        site.loop.push(body)

    site.loop.run(60)

    ledger = site.loop.last.ledger
    assert ledger.accepted is not None
    assert (ledger.accepted.version, ledger.candidate) == (100, None)
    assert [what for what, _ in site.loop.engine.effects] == ["create", "start"]
    assert len(site.loop.puller.submitted) == 1


def test_the_same_manifest_a_hundred_times_is_one(site: Site):
    for _ in range(100):
        site.loop.push(signed(KEYS, deployment(manifest(8))))

    site.loop.run(30)

    versions = [entry.version for entry in site.loop.store.history()]
    assert versions.count(8) == 1
    assert site.loop.puller.submitted == []  # its image is here


def test_three_versions_that_overtook_each_other_end_at_the_highest(site: Site):
    for version in (10, 8, 9):
        site.loop.push(signed(KEYS, deployment(manifest(version))))

    site.loop.run(30)

    assert site.loop.last.ledger.accepted is not None
    assert site.loop.last.ledger.accepted.version == 10
    assert isinstance(site.loop.store, SqliteStore)
    assert SCORER in running(site.loop).values()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"schema": "edgetender/v2"}, "schema.unknown"),
        ({"priority": 1}, "key.unknown"),
        ({"modules": {}}, "modules.empty"),
    ],
)
def test_what_a_reader_would_have_to_guess_at_is_refused(site: Site, more: dict[str, Any], why: str):
    assert site.bring(signed(KEYS, deployment(manifest(8) | more))) == (400, why)
    assert running(site.loop)


def test_removing_everything_must_be_said(site: Site):
    assert site.bring(signed(KEYS, deployment(manifest(8) | {"modules": {}, "allow_empty": True})))[0] == 200
    assert running(site.loop) == {}
