"""Whose end is repaired at once, and whose waits: one end of a steady run is a chance, two are a habit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from edgetender.decide.backoff import STEADY
from edgetender.decide.stride import Waits, ended_once, may_try
from edgetender.model.ledger import Attempt, Ledger
from edgetender.model.observed import Container, Status
from tests.fakes.clock import NOON

ONCE = Attempt(1, NOON, "container.exited", "was ended by SIGKILL (exit code 137)")
ENDED = Container(
    "c1", "edgetender-scorer", "scorer", "spec", 1, "scorer:1", Status.EXITED, started_at=NOON - STEADY, finished_at=NOON
)  # fmt: skip


def test_the_first_end_after_a_steady_run_is_repaired_at_once():
    assert ended_once(ENDED, ONCE)


def test_so_is_one_for_which_the_engine_is_at_fault():
    assert ended_once(ENDED, replace(ONCE, failures=0, excused=1))


@pytest.mark.parametrize(
    "attempt",
    [
        replace(ONCE, failures=2),
        replace(ONCE, excused=1),
        replace(ONCE, code="engine.refused"),  # its start failed, not its run
        None,
    ],
    ids=["the second", "the second, one excused", "a start that failed", "none"],
)
def test_every_other_failure_is_none_of_that_kind(attempt: Attempt | None):
    assert not ended_once(ENDED, attempt)


@pytest.mark.parametrize("began", [NOON - STEADY + timedelta(seconds=0.1), NOON + STEADY, None])
def test_who_ended_soon_after_its_start_or_began_nobody_knows_when_did_not_run_steadily(began):
    assert not ended_once(replace(ENDED, started_at=began), ONCE)


def test_of_two_waits_of_a_module_the_sooner_counts():
    later = replace(ONCE, failures=5, reason="later")
    ledger, waits = Ledger(attempts={"front": ONCE, "run": later}), Waits()
    assert not may_try("front", "scorer", ledger, NOON, waits)
    sooner = dict(waits)
    assert not may_try("run", "scorer", ledger, NOON, waits)
    assert waits == sooner
