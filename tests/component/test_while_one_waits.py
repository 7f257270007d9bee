"""While a new version waits, what runs goes on by its own manifest, whatever the new one says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.loops import deployed, running, serving
from tests.builders.manifests import image, manifest, module


def test_what_runs_is_asked_as_its_own_manifest_says_while_a_new_version_waits():
    """The new one asks the same container at a path that there is not."""

    def asked_at(path: str, version: int) -> dict[str, Any]:
        health = {"http": {"port": 5001, "path": path}, "deadline": 5, "interval": 1}
        return {**manifest(version, scorer=module(health=health)), "update": {"settle": 2}}

    loop = deployed(asked_at("/ready", 1))
    loop.refusals["/wrong"] = "answered 404"
    (before,) = loop.engine.containers()
    loop.wish("hold")
    loop.push(asked_at("/wrong", 2))
    loop.run(60)
    assert loop.engine.containers()[0].run == before.run
    assert loop.last.target.gate.apply.code == "hold.operator"
    loop.wish("release")
    loop.run(60)
    ledger = loop.last.ledger
    assert (ledger.accepted.version, ledger.desired.code) == (1, 417)
    assert "answered 404" in ledger.desired.description


@pytest.mark.parametrize("other", [{"image": image("fast", "2")}, None])
def test_what_runs_falls_back_by_its_own_list_while_a_new_version_waits(other: dict[str, str] | None):
    """The new one may call its images otherwise, or have no other variant."""
    fast, plain = image("fast", "1"), image("plain", "1")
    one = {"variants": [{"name": "fast", "image": fast}, {"name": "plain", "image": plain}]}
    two = {
        "variants": [
            {"name": "fast", "image": image("fast", "2")},
            *([] if other is None else one["variants"][1:]),
        ]
    }
    made = deployed(manifest(1, scorer=one), fast, plain)
    assert running(made) == {"scorer": fast}
    made.wish("hold")
    made.push(manifest(2, scorer=two))
    for _ in range(3):
        made.engine.crash(serving(made))
        made.run(10)
    assert running(made) == {"scorer": plain}
    assert [(d.variant, d.image) for d in made.last.ledger.demotions] == [("fast", fast)]


def test_a_module_that_had_to_be_brought_down_is_not_brought_up_again_while_the_device_is_held():
    fast, plain = image("fast", "1"), image("plain", "1")
    variants = {"variants": [{"name": "fast", "image": fast}, {"name": "plain", "image": plain}]}
    loop = deployed(manifest(1, scorer=variants), fast, plain)
    loop.wish("hold")
    for _ in range(3):
        loop.engine.crash(serving(loop))
        loop.run(10)
    assert running(loop) == {"scorer": plain}
    loop.clock.advance(3700)  # what it failed of counts for an hour
    loop.run(400)
    assert running(loop) == {"scorer": plain}
    loop.wish("release")
    loop.run(400)
    assert running(loop) == {"scorer": fast}
