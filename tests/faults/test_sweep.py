"""The daemon is killed, or its disk is full: the same slice of the sweep at each run; `python -m tests.faults --all`."""

from __future__ import annotations

import errno
import random
import time
from pathlib import Path

import pytest

from tests.faults import points, sweep
from tests.faults.__main__ import SEED, SLICE
from tests.faults.device import PATIENCE, Zygote
from tests.faults.mutants import MUTANTS
from tests.faults.scenarios import STORIES, Lived, Point, story

CONVERGED_S = 15.0 * PATIENCE
STUCK_S = 5.0 * PATIENCE  # of the controls, most of which are stuck: a sound agent is at rest after 2 s


def judged(tasks: list[sweep.Task], zygote: Zygote) -> list[Lived]:
    began = time.monotonic()
    lives = sweep.run(tasks, zygote, workers=2)
    said = sweep.summary(lives, began)
    assert not [one for one in lives if one.violations], said
    assert all(one.converged_s <= CONVERGED_S for one in lives), said
    return lives


def test_each_story_ends_well_when_nothing_happens(measures: dict[str, Lived]) -> None:
    assert {name: one.violations for name, one in measures.items()} == {one.name: [] for one in STORIES}


@pytest.mark.timeout(600)
def test_a_kill_at_any_write_or_change_of_the_engine_breaks_no_promise(
    zygote: Zygote, measures: dict[str, Lived]
) -> None:
    steps, writes = sweep.steps(measures), sweep.writes(measures)
    for tasks in (steps, writes):
        random.Random(SEED).shuffle(tasks)
    lives = judged(steps[: SLICE["steps"]] + writes[: SLICE["kill"]], zygote)
    assert sum(one.reached for one in lives) > len(lives) / 2


@pytest.mark.timeout(600)
def test_kills_at_random_also_of_the_recovery_break_no_promise(zygote: Zygote) -> None:
    judged(sweep.random_tasks(SLICE["random"], SEED), zygote)


@pytest.mark.timeout(600)
def test_a_disk_that_is_full_or_broken_at_any_write_breaks_no_promise(
    zygote: Zygote, measures: dict[str, Lived]
) -> None:
    tasks = sweep.disk_tasks(measures, errno.ENOSPC) + sweep.disk_tasks(measures, errno.EIO)
    random.Random(SEED).shuffle(tasks)
    judged(tasks[: SLICE["disk"]], zygote)


@pytest.mark.timeout(600)
def test_a_clock_that_jumps_by_years_forward_or_back_breaks_no_promise(zygote: Zygote) -> None:
    tasks = sweep.clock_tasks()
    random.Random(SEED).shuffle(tasks)
    judged(tasks[: SLICE["clock"]], zygote)


@pytest.mark.timeout(600)
def test_a_daemon_that_runs_short_of_memory_or_descriptors_breaks_no_promise(zygote: Zygote) -> None:
    tasks = sweep.short_tasks()
    random.Random(SEED).shuffle(tasks)
    lives = judged(tasks[: SLICE["short"]], zygote)
    assert any(one.reached for one in lives)


# --- the controls: an agent without the safeguard is caught

CAUGHT = {
    "acknowledged-early": ("I3", [("update", points.AtAnswer())]),
    "intent-after-effect": ("I5", [("rolled-back", points.AtChange(3, after=True))]),
    "no-label-check": ("I8", [("first", Point())]),
    "decided-for-want": ("I1", [("large", points.RunsShort("memory", 2**16))]),
    "waits-by-the-wall": ("I1", [("update", points.ClockJumps(0.1, range(0, -40 * 3600, -3600)))]),
    "refused-for-want": (
        "I1",
        [(name, points.RunsShort("descriptors", 0)) for name in ("first", "shrink", "missing-image")],
    ),
}


def said_of(name: str, where: list[tuple[str, Point]], home: Path) -> list[str]:
    """The violations of the agent without the safeguard *name*."""
    with Zygote(MUTANTS[name].made(home)) as mutant:
        lives = sweep.run([(story(which), point) for which, point in where], mutant, workers=1, end_s=STUCK_S)
    return [said for one in lives for said in one.violations]


@pytest.mark.parametrize("name", CAUGHT)
def test_an_agent_without_the_safeguard_is_caught(name: str, short: Path, zygote: Zygote) -> None:
    invariant, where = CAUGHT[name]
    said: list[str] = []
    for attempt in range(8):  # what runs short, or when, depends on what other threads do meanwhile
        said = said_of(name, where, short / f"agent{attempt}")
        if any(one.startswith(invariant) for one in said):
            break
    assert any(one.startswith(invariant) for one in said), said


def test_a_floor_that_is_ahead_of_the_ledger_is_caught(short: Path, zygote: Zygote) -> None:
    name, said = "floor-before-ledger", list[str]()
    for attempt in range(8):  # which write it is depends on what other threads write meanwhile
        with Zygote(MUTANTS[name].made(short / f"agent{attempt}")) as mutant:
            writes = sweep.measured(mutant, [story("first")])["first"].writes
        there = writes.index("RENAME trust/.floor.a.new") + 1
        around = [("first", points.AtWrite(there + n)) for n in (2, 3, 4)]
        said = list(said_of(name, around, short / f"again{attempt}"))
        if any(one.startswith("I4") for one in said):
            break
    assert any(one.startswith("I4") for one in said), said
