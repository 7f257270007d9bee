"""A container that ended is started again: the first time at once, then by its back-off."""

from __future__ import annotations

from tests.builders.loops import deployed, running, serving
from tests.builders.manifests import SCORER


def test_after_a_steady_run_the_first_end_is_repaired_at_once_and_the_second_by_back_off():
    loop = deployed()
    loop.run(10)
    for seconds in (0, 1.5):
        loop.engine.crash(serving(loop), 137)
        loop.cycle()
        if seconds:
            assert running(loop) == {}
        loop.run(seconds + 0.6)
        assert running(loop) == {"scorer": SCORER}
        loop.run(12)
    assert loop.last.ledger.restarts == {"scorer": 2}


def test_who_ends_soon_after_a_start_waits_for_its_back_off_the_first_time_too():
    loop = deployed()
    loop.wish("restart", module="scorer")
    loop.run(2)
    loop.engine.crash(serving(loop), 1)
    loop.cycle()
    assert running(loop) == {}
    loop.run(2)
    assert running(loop) == {"scorer": SCORER}
