"""What keeps a new version waiting, on a whole loop: holds, windows, modules that ask for time."""

from __future__ import annotations

from datetime import UTC, timedelta
from itertools import product
from pathlib import Path

import pytest

from edgetender.decide.reporting import ModuleState, module_reports
from edgetender.model.gate import Hold, Rules
from edgetender.model.window import Window, window_of
from edgetender.store.state import SqliteStore
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module
from tests.fakes.clock import NOON
from tests.fakes.power import Power, PowerCut

NEXT = image("scorer", "b")
TWO = {**manifest(2, scorer=module(image=NEXT)), "update": {"settle": 2}}


def window(text: str) -> Window:
    return window_of(text, lambda _: UTC)


def served(rules: Rules | None = None) -> Loop:
    """Version 1 runs, and version 2 could be pulled."""
    loop = deployed(manifest(1), NEXT)
    if rules is not None:
        loop.rules = rules
        loop.boot()
    return loop


def later(loop: Loop, seconds: float) -> None:
    """So many seconds later; who waits for so long is not asked each second."""
    loop.run(5)
    loop.clock.advance(seconds - 10)
    loop.run(5)


def waits(loop: Loop) -> dict[str, str]:
    gate = loop.last.target.gate
    return {name: shut.code for name, shut in (("download", gate.download), ("apply", gate.apply)) if shut}


# --- an operator's hold


def test_while_the_device_is_held_nothing_of_a_new_version_is_fetched_or_made():
    loop = served()
    asked = list(loop.puller.submitted)
    loop.wish("hold", reason="fair on Friday")
    loop.push(TWO)
    loop.run(20)
    assert running(loop) == {"scorer": SCORER}
    assert loop.puller.submitted == asked
    assert waits(loop) == {"download": "hold.operator", "apply": "hold.operator"}
    assert loop.last.target.gate.apply.why == "the device is held by cli (uid 0): fair on Friday"
    loop.wish("release")
    loop.run(20)
    assert running(loop) == {"scorer": NEXT}


def test_what_runs_is_kept_alive_while_the_device_is_held():
    loop = served()
    loop.wish("hold")
    loop.push(TWO)
    loop.run(5)
    for fate in (lambda c: loop.engine.crash(c.id), lambda c: loop.engine.remove(c.id)):
        (container,) = loop.engine.containers()
        fate(container)
        loop.run(15)
        assert running(loop) == {"scorer": SCORER}


def test_a_hold_outlives_the_agent_and_ends_when_it_said(tmp_path: Path):
    loop = Loop(store=SqliteStore(tmp_path / "state.db"))
    loop.puller.registry |= {SCORER, NEXT}
    loop.push(manifest(1))
    loop.run(15)
    loop.wish("hold", for_s=3600)
    loop.push(TWO)
    loop.run(5)
    loop.store.close()
    loop.store = SqliteStore(tmp_path / "state.db")
    loop.boot()
    later(loop, 3000)
    assert running(loop) == {"scorer": SCORER}
    later(loop, 700)
    assert running(loop) == {"scorer": NEXT}
    assert dict(loop.last.ledger.holds) == {}


def test_a_held_module_keeps_a_version_that_would_change_it_waiting_and_no_other():
    loop = deployed(manifest(1, scorer=module(), side=module(image=image("side"))), NEXT, image("side"))
    loop.wish("hold", module="side")
    loop.push(manifest(2, scorer=module(image=NEXT), side=module(image=image("side"))))
    loop.run(15)
    assert running(loop)["scorer"] == NEXT
    loop.push(manifest(3, scorer=module(), side=module(image=image("side"), env={"V": "3"})))
    loop.run(15)
    assert (running(loop)["scorer"], waits(loop)) == (NEXT, {"apply": "hold.operator"})


def test_an_update_that_has_begun_is_finished_before_a_hold_counts():
    loop = served()
    loop.refusals["/"] = "still loading"
    slow = {**TWO, "modules": {"scorer": module(image=NEXT, health={"http": {}, "deadline": "60s"})}}
    loop.push(slow)
    loop.run(5)
    held = loop.wish("hold")
    loop.run(1)
    assert "once version 2, which has begun" in loop.store.decision(held).description
    loop.refusals.clear()
    loop.run(15)
    assert loop.last.ledger.accepted.version == 2
    loop.push(manifest(3))
    loop.run(15)
    assert running(loop) == {"scorer": NEXT}


def test_a_bad_version_goes_back_under_a_hold_too():
    loop = served()
    bad = {
        **TWO,
        "modules": {"scorer": module(image=NEXT, health={"http": {"path": "/bad"}, "deadline": "9s"})},
    }
    loop.refusals["/bad"] = "500"
    loop.push(bad)
    loop.run(3)
    loop.wish("hold")
    loop.run(20)
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.ledger.desired.code == 417


def test_a_power_cut_at_any_effect_loses_no_hold_and_no_release():
    for cut, after in product(range(1, 16, 2), (False, True)):
        loop = served()
        loop.boot(Power(cut, after=after))
        for kind, expected in (("hold", SCORER), ("release", NEXT)):
            loop.wish(kind)
            loop.push(TWO)
            try:
                loop.run(5)
            except PowerCut:
                loop.boot()
            loop.run(8)
            assert running(loop) == {"scorer": expected}, (cut, after, kind)
            assert bool(loop.store.ledger().holds) == (kind == "hold")


def test_a_first_version_that_is_held_says_of_each_module_why_it_waits():
    loop = Loop()
    loop.push(manifest(1))
    loop.run(2)
    loop.wish("hold")
    loop.run(2)
    last = loop.last
    (report,) = module_reports(last.target, last.observed, last.ledger, last.plan)
    assert (report.state, report.code) == (ModuleState.WAITING, "hold.operator")


# --- windows


def test_downloads_and_updates_each_wait_for_their_own_window():
    rules = Rules((window("0 13 * * * for 1h"),), (window("0 15 * * * for 1h"),))
    loop = served(rules)  # at noon
    loop.push(TWO)
    later(loop, 600)
    assert NEXT not in loop.puller.submitted
    assert waits(loop) == {"download": "window.download", "apply": "window.apply"}
    assert loop.last.target.gate.apply.until == NOON + timedelta(hours=3)
    later(loop, 3600)
    assert NEXT in loop.puller.submitted
    assert running(loop) == {"scorer": SCORER}
    later(loop, 7200)
    assert running(loop) == {"scorer": NEXT}


def test_the_loop_wakes_when_the_window_opens_and_not_at_its_next_interval():
    loop = served(Rules(apply=(window("1 12 * * * for 1h"),)))
    loop.push(TWO)
    loop.run(10)
    left = (NOON + timedelta(minutes=1) - loop.clock.now()).total_seconds()
    loop.clock.advance(left - 7)
    assert loop.cycle() == pytest.approx(7, abs=0.1)


def test_an_update_that_began_in_its_window_is_finished_after_it():
    loop = served(Rules(apply=(window("1 12 * * * for 1m"),)))
    loop.push({**TWO, "update": {"settle": 120}})
    loop.run(65)
    assert running(loop) == {"scorer": NEXT}
    later(loop, 200)
    assert loop.last.ledger.accepted.version == 2


def test_in_a_hurry_no_window_and_no_module_is_waited_for_but_an_operator_is():
    loop = served(Rules(apply=(window("0 3 * * * for 1h"),)))
    loop.locks["scorer"] = Hold("a file", NOON)
    loop.push(TWO)
    loop.run(5)
    loop.wish("hold")
    loop.wish("now")
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}
    loop.wish("release")
    loop.run(5)
    assert running(loop) == {"scorer": NEXT}


def test_a_manifest_may_say_itself_that_it_is_urgent():
    loop = served(Rules(apply=(window("0 3 * * * for 1h"),)))
    loop.push({**TWO, "update": {"settle": 2, "now": True}})
    loop.run(10)
    assert running(loop) == {"scorer": NEXT}


def test_the_hurry_of_one_version_is_not_that_of_the_next():
    loop = served(Rules(apply=(window("0 3 * * * for 1h"),)))
    loop.push(TWO)
    loop.run(2)
    loop.wish("now")
    loop.run(20)
    loop.push(manifest(3))
    loop.run(20)
    assert running(loop) == {"scorer": NEXT}
    assert waits(loop) == {"apply": "window.apply"}


def test_a_clock_that_is_not_set_opens_no_window_and_the_hurry_helps():
    loop = served(Rules(apply=(window("* * * * * for 1h"),)))
    loop.clock.set(NOON - timedelta(days=20000))
    loop.push(TWO)
    loop.run(20)
    assert (running(loop), waits(loop)) == ({"scorer": SCORER}, {"apply": "clock.not_set"})
    loop.wish("now")
    loop.run(10)
    assert running(loop) == {"scorer": NEXT}


def test_what_runs_is_restarted_and_fetched_again_outside_of_all_windows():
    loop = served(Rules((window("0 3 * * * for 1h"),), (window("0 3 * * * for 1h"),)))
    (container,) = loop.engine.containers()
    loop.engine.remove(container.id)
    loop.world.images.clear()
    loop.run(15)
    assert running(loop) == {"scorer": SCORER}


# --- a module's own wish


def test_a_module_that_asks_for_time_gets_it_until_it_is_done():
    loop = served()
    loop.locks["scorer"] = Hold("a file", NOON, None, "in the middle of a batch")
    loop.push(TWO)
    later(loop, 600)
    assert NEXT in loop.puller.submitted  # its image comes meanwhile
    assert loop.last.target.gate.apply.why == "scorer asks for time: in the middle of a batch"
    loop.locks.clear()
    loop.run(10)
    assert running(loop) == {"scorer": NEXT}


def test_a_module_cannot_ask_for_ever():
    loop = served(Rules(delay_most=timedelta(hours=1)))
    loop.locks["scorer"] = Hold("a file", NOON)
    loop.push(TWO)
    later(loop, 3500)
    assert running(loop) == {"scorer": SCORER}
    later(loop, 200)
    assert running(loop) == {"scorer": NEXT}


def test_a_module_asks_over_the_local_api_with_a_deadline():
    loop = served()
    loop.wish("delay", module="scorer", for_s=120)
    loop.push(TWO)
    later(loop, 100)
    assert waits(loop) == {"apply": "hold.module"}
    loop.run(20)
    assert running(loop) == {"scorer": NEXT}


def test_the_request_of_a_module_that_stays_as_it_is_delays_nothing():
    loop = deployed(manifest(1, scorer=module(), side=module(image=image("side"))), NEXT, image("side"))
    loop.locks["side"] = Hold("a file", NOON)
    loop.push(manifest(2, scorer=module(image=NEXT), side=module(image=image("side"))))
    loop.run(15)
    assert running(loop)["scorer"] == NEXT
