"""Which version requests come to is decided by how they fare: with live ones, and with copies of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgetender.errors import DiskFull
from tests.builders.switches import ONE, TWO, Service, version


def test_a_version_that_is_ready_and_answers_with_errors_is_rolled_back_by_the_front_s_figures():
    service = Service()
    service.live(version(1, ONE))
    service.loop.front.figures[service.container(ONE)] = (1000, 10)
    service.live(version(2, TWO), seconds=1.0)
    assert service.target == TWO
    service.loop.front.figures[service.container(TWO)] = (100, 60)
    service.run(2)
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    assert "60 of 100 requests failed" in service.loop.last.ledger.desired.description


def test_a_version_that_answers_three_times_as_slowly_is_rolled_back_also_by_an_agent_that_starts_anew():
    service = Service()
    service.live(version(1, ONE))
    service.loop.front.times[service.container(ONE)] = (20.0, 1000)
    service.live(version(2, TWO), seconds=1.0)
    assert service.target == TWO
    service.loop.boot(service.power)
    service.loop.front.times[service.container(TWO)] = (90.0, 300)
    service.run(2)
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    why = "95 % of 300 answers took up to 90 ms, with the version before it 20 ms"
    assert why in service.loop.last.ledger.desired.description


MIB = 1024 * 1024


def test_a_version_that_comes_close_to_its_limit_of_memory_is_rolled_back_before_the_kernel_kills_it():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO, resources={"memory": "64MiB"}), seconds=1.0)
    assert service.target == TWO
    service.loop.engine.memory[TWO] = 62 * MIB
    service.run(4)
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    why = "module scorer: it takes 62 MiB of the 64 MiB of memory that it may have"
    assert service.loop.last.ledger.desired.description == f"rolled back: {why}"
    assert service.loop.store.history(1)[0].result == f"rolled back: {why}"


def test_a_version_without_a_limit_is_weighed_against_the_one_before_also_by_an_agent_that_starts_anew():
    service = Service()
    service.loop.engine.memory |= {ONE: 100 * MIB, TWO: 100 * MIB}
    service.live(version(1, ONE))
    service.live(version(2, TWO) | {"update": {"settle": 8}}, seconds=1.0)
    service.loop.boot(service.power)
    service.loop.engine.memory |= {ONE: 10 * MIB, TWO: 400 * MIB}
    service.run(4)
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    why = "it takes 400 MiB of memory, the version before it took 100 MiB"
    assert why in service.loop.last.ledger.desired.description


def test_a_peak_of_memory_is_forgiven_and_what_is_accepted_is_weighed_no_more():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO, resources={"memory": "64MiB"}) | {"update": {"settle": 4}}, seconds=1.0)
    service.loop.engine.memory[TWO] = 63 * MIB
    service.run(1)
    service.loop.engine.memory[TWO] = 20 * MIB
    service.run(6)
    assert service.accepted == 2
    asked = service.loop.engine.measured
    service.loop.engine.memory[TWO] = 64 * MIB
    service.run(20)
    assert (service.accepted, service.target, service.loop.engine.measured) == (2, TWO, asked)
    assert service.loop.last.ledger.weighed == {}


SHADOW = {"update": {"settle": 2, "shadow": {"requests": 100}}}


def copies(service: Service, **figures: Any) -> None:
    """What copies of requests showed so far."""
    front = service.loop.world.fronts["scorer"]
    assert front.shadowed is not None, "nothing is compared"
    front.shadowed = replace(front.shadowed, **figures)


def test_a_version_takes_over_after_copies_of_requests_were_answered_well():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO) | SHADOW, seconds=4.0)
    assert (service.target, service.accepted) == (ONE, 1)
    service.loop.boot(service.power)
    copies(service, compared=100, since_s=4.0, live_p95_ms=9.0, copy_p95_ms=9.5)
    service.run(4)
    assert (service.target, service.accepted, service.refused) == (TWO, 2, [])
    assert "0 of 100 copies answered otherwise" in service.loop.last.ledger.desired.description
    service.live(version(3, ONE))
    assert service.accepted == 3


def test_a_version_that_answers_copies_otherwise_never_gets_a_request():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO) | SHADOW, seconds=2.0)
    copies(service, compared=40, disagreed=30, since_s=2.0, why="status 500, not 200")
    service.run(3)
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    why = "30 of 40 copies of live requests were answered otherwise (status 500, not 200)"
    assert why in service.loop.last.ledger.desired.description
    assert service.loop.world.fronts["scorer"].shadowed is None
    assert len(service.containers) == 1


def test_what_copies_showed_of_one_version_is_not_held_against_the_next():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO) | SHADOW, seconds=2.0)
    copies(service, compared=40, disagreed=30, since_s=2.0)
    service.run(3)
    service.live(version(3, TWO) | SHADOW, seconds=2.0)
    copies(service, compared=100, since_s=2.0)
    service.run(4)
    assert (service.target, service.accepted, service.refused) == (TWO, 3, [])


def test_a_version_that_answers_copies_otherwise_gets_no_request_while_that_cannot_be_written_down():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO) | SHADOW, seconds=2.0)
    copies(service, compared=40, disagreed=30, since_s=2.0)
    service.loop.store.full = DiskFull("cannot write state.db: the disk is full")
    service.run(3)
    assert (service.target, service.refused) == (ONE, [])
    service.loop.store.full = None
    service.run(3)
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    assert service.loop.last.ledger.desired.code == 417


def test_a_front_that_is_restarted_while_copies_are_compared_has_them_compared_anew():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO) | SHADOW, seconds=2.0)
    service.loop.front.restart("scorer")
    service.run(1)
    copies(service, compared=0, since_s=61.0)
    service.run(4)
    assert (service.target, service.accepted, service.refused) == (TWO, 2, [])
