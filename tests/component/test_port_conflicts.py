"""A host port that something else on the device has, on a whole loop."""

from __future__ import annotations

import pytest

from tests.builders.loops import AMD64, FRONTED, Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module

NEXT = image("scorer", "b")


@pytest.mark.parametrize("fronted", [False, True])
def test_a_port_that_somebody_else_has_is_found_before_anything_is_stopped(fronted: bool):
    loop = Loop(hardware=FRONTED if fronted else AMD64)
    loop.puller.registry |= {SCORER, NEXT}
    loop.push(manifest(1, scorer=module(ports=["6789:5001"])))
    loop.run(30)
    before = [one.id for one in loop.engine.containers()]
    loop.taken |= {6789, 7000}  # 6789 is our own by now
    loop.push(
        {**manifest(2, scorer=module(image=NEXT, ports=["6789:5001", "7000:5002"])), "update": {"settle": 2}}
    )
    loop.run(20)
    assert [one.id for one in loop.engine.containers()] == before
    shut = loop.last.target.gate.apply
    assert shut is not None
    assert shut.code == "port.taken"
    for word in ("127.0.0.1:7000/tcp", "scorer", "ss -lntup 'sport = :7000'"):
        assert word in shut.why
    loop.taken.clear()
    loop.run(60)
    assert running(loop) == {"scorer": NEXT}
    assert loop.last.ledger.accepted is not None
    assert loop.last.ledger.accepted.version == 2


def test_a_port_that_a_version_before_it_still_has_is_not_somebody_else_s():
    loop = deployed(manifest(1), NEXT)
    loop.push({**manifest(2, scorer=module(image=NEXT, ports=["7000:5001"])), "update": {"settle": 600}})
    loop.run(20)
    loop.taken |= {7000}  # by what is on trial
    loop.push({**manifest(3, scorer=module(ports=["7000:5001"])), "update": {"settle": 2}})
    loop.run(5)
    loop.taken.clear()
    loop.run(60)
    assert loop.last.ledger.accepted is not None
    assert loop.last.ledger.accepted.version == 3
