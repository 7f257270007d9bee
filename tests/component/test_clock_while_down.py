"""The wall clock is set while no agent looks: what is waited for takes as long as it should, whichever way it went."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from edgetender.errors import RegistryUnreachable
from edgetender.model.ledger import Ledger
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module
from tests.fakes.clock import NOON

NEXT = image("scorer", "b")
SETS = [timedelta(days=400), timedelta(days=-400), timedelta(seconds=40), timedelta(seconds=-40)]
sets = pytest.mark.parametrize("by", SETS, ids=str)


def later(loop: Loop, by: timedelta, *, off_s: float = 0.0) -> None:
    """The agent starts anew *off_s* later; meanwhile somebody set the clock."""
    loop.clock.advance(off_s)
    loop.clock.set(loop.clock.now() + by)
    loop.boot()


def rebooted(loop: Loop, by: timedelta) -> None:
    """The machine starts anew, by its clock *by* later, which may be wrong."""
    loop.clock.reboot(loop.clock.now() + by)
    loop.boot_number += 1
    loop.boot()
    loop.cycle()


def settling() -> Loop:
    """Version 2 settles for ten seconds of its sixty."""
    loop = deployed()
    loop.push({**manifest(2, scorer=module(env={"V": "2"})), "update": {"settle": 60}})
    while loop.last.ledger.settling_since is None:
        loop.run(1)
    loop.run(10)
    return loop


def left_alone(asked_s: float = 600) -> Loop:
    """A registry wants to be left alone for so long."""
    loop = deployed()
    loop.puller.errors[NEXT] = RegistryUnreachable("too many requests", retry_after_s=asked_s)
    loop.push(manifest(2, scorer=module(image=NEXT)))
    loop.run(5)
    return loop


def pulls(loop: Loop) -> int:
    return loop.puller.submitted.count(NEXT)


def waited(loop: Loop, seconds: float) -> None:
    loop.clock.advance(seconds)
    loop.run(3)


@sets
def test_settling_goes_on_where_it_was(by: timedelta):
    loop = settling()
    later(loop, by, off_s=20)
    loop.run(25)
    assert loop.last.ledger.accepted.version == 1
    loop.run(8)
    assert loop.last.ledger.accepted.version == 2


@sets
def test_a_back_off_goes_on_where_it_was(by: timedelta):
    loop = left_alone()
    assert pulls(loop) == 1
    later(loop, by, off_s=200)
    waited(loop, 300)
    assert pulls(loop) == 1
    waited(loop, 160)  # of a tenth more, at most
    assert pulls(loop) == 2


@sets
def test_after_another_boot_nothing_is_over_before_its_whole_time_and_everything_is_in_the_end(by: timedelta):
    loop = settling()
    rebooted(loop, by)
    loop.run(55)
    assert loop.last.ledger.accepted.version == 1
    loop.run(10)
    assert loop.last.ledger.accepted.version == 2
    loop = left_alone()
    rebooted(loop, by)
    waited(loop, 590)
    assert pulls(loop) == 1
    waited(loop, 70)
    assert pulls(loop) == 2


@sets
def test_a_time_server_that_comes_late_after_a_boot_changes_nothing_either(by: timedelta):
    loop = left_alone()
    rebooted(loop, timedelta(days=-20000))
    waited(loop, 100)
    loop.clock.set(NOON + by)
    waited(loop, 480)
    assert pulls(loop) == 1
    waited(loop, 80)
    assert pulls(loop) == 2


def test_a_kernel_without_a_name_for_its_boot_is_another_boot():
    loop = settling()
    loop.boot_number = 0
    loop.boot()
    loop.run(5)
    loop.boot()
    loop.run(55)
    assert loop.last.ledger.accepted.version == 1
    loop.run(10)
    assert loop.last.ledger.accepted.version == 2


@sets
def test_what_an_operator_or_a_module_wants_held_for_an_hour_is_held_for_an_hour(by: timedelta):
    loop = deployed()
    loop.puller.registry.add(NEXT)
    loop.wish("hold", for_s=3600)
    loop.push(manifest(2, scorer=module(image=NEXT)))
    loop.run(5)
    later(loop, by, off_s=600)
    waited(loop, 2900)
    assert running(loop) == {"scorer": SCORER}
    waited(loop, 120)
    loop.run(30)
    assert running(loop) == {"scorer": NEXT}


def test_where_no_clock_was_set_a_start_writes_nothing():
    loop = deployed()
    written: list[Any] = []
    keep = loop.store.commit

    def commit(ledger: Ledger, **more: Any) -> None:
        written.append(ledger)
        keep(ledger, **more)

    loop.store.commit = commit
    later(loop, timedelta(0), off_s=86400)
    loop.run(30)
    assert not written
