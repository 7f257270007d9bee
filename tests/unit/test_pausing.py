"""Wishes that something shall not change for a while, or at once: which make no sense."""

from __future__ import annotations

import pytest

from tests.builders.loops import deployed
from tests.builders.manifests import manifest


@pytest.mark.parametrize(
    ("kind", "said", "code"),
    [
        ("hold", {"module": "nobody"}, 404),
        ("hold", {"for_s": -1}, 400),
        ("hold", {"for_s": True}, 400),
        ("hold", {"module": 7}, 404),
        ("release", {}, 409),
        ("release", {"module": "scorer"}, 409),
        ("delay", {"for_s": 60}, 400),
        ("delay", {"module": "scorer"}, 400),
        ("now", {}, 409),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_changes_nothing(kind, said, code):
    loop = deployed(manifest(1))
    before = loop.last.ledger
    number = loop.wish(kind, **said)
    loop.run(1)
    assert loop.store.decision(number).code == code
    assert loop.last.ledger == before
