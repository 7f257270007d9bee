"""What is remembered of what happened?"""

from __future__ import annotations

import pytest

from edgetender.decide.backoff import due_at
from edgetender.decide.bookkeeping import EARLIER_IMAGES, forget, intend, note_deaths, record, record_pull
from edgetender.decide.exits import describe_exit
from edgetender.decide.resolving import pinned_image
from edgetender.decide.stride import pull_key, run_key
from edgetender.errors import (
    DiskFull,
    EngineDown,
    EngineRefused,
    ImageMissing,
    PullStalled,
    RegistryUnreachable,
)
from edgetender.model.ledger import Attempt, Death, Demotion, Ledger
from edgetender.model.observed import Observed, Status
from edgetender.model.plan import Create, Outcome, Plan, Pull, PullOutcome, Remove, Start, Stop
from edgetender.model.target import ImageWanted
from tests.builders.ledgers import after, container, holding, looked, resolution, target
from tests.builders.manifests import SCORER, image, manifest, module, slot
from tests.fakes.clock import NOON

ONE, TWO = manifest(1), manifest(2, scorer=module(env={"V": "2"}))
SPEC = target(ONE).spec("scorer")
KEY = run_key("scorer", SPEC.digest)
REFUSED = EngineRefused("cannot start: port is taken")
WANTED = ImageWanted("scorer", "registry.example/scorer:1")


def noted(observed: Observed, ledger: Ledger, words=()) -> Ledger:
    last = {one.id: words for one in observed.containers}
    return note_deaths(ledger, target(ONE), observed, after(9), last)


# --- steps


def begun(ledger: Ledger, observed: Observed) -> Ledger:
    return intend(ledger, Plan((Start("scorer", "id"),)), target(ONE), observed)


def test_a_start_is_written_down_before_it_begins_and_struck_out_when_its_end_is_known():
    created = looked(container(SPEC, Status.CREATED))
    ledger = begun(begun(holding(ONE), created), created)
    assert ledger.begun == {KEY: 2}
    assert record(ledger, Outcome(Start("scorer", "id")), target(ONE), NOON).begun == {KEY: 2}
    assert record(ledger, Outcome(Start("scorer", "id"), REFUSED), target(ONE), NOON).begun == {KEY: 1}
    assert noted(looked(container(SPEC, Status.EXITED)), ledger).begun == {KEY: 1}
    ready = looked(container(SPEC))
    assert forget(ledger, target(ONE), ready, NOON, (resolution(ONE),)).begun == {}


@pytest.mark.parametrize("step", [Create("scorer", SPEC, 1), Start("scorer", "id")], ids=["create", "start"])
def test_a_failed_step_counts_against_its_spec(step):
    ledger = Ledger()
    for number in (1, 2):
        ledger = record(ledger, Outcome(step, REFUSED), target(ONE), after(number))
    assert ledger.attempts == {KEY: Attempt(2, after(2), "engine.refused", str(REFUSED))}


@pytest.mark.parametrize("error", [EngineDown("cannot start: no answer"), DiskFull("cannot start: no space")])
def test_an_engine_that_is_away_and_a_full_disk_are_excused(error):
    ledger = record(Ledger(), Outcome(Create("scorer", SPEC, 1), error), target(ONE), NOON)
    assert ledger.attempts == {KEY: Attempt(0, NOON, error.code, str(error), excused=1)}


def test_a_start_anew_is_a_restart_and_fulfils_the_wish():
    ledger = Ledger(restart_wanted=frozenset({"id/then", "other/then"}))
    ledger = record(ledger, Outcome(Start("scorer", "id", again=True)), target(ONE), NOON)
    assert (ledger.restarts, ledger.restart_wanted) == ({"scorer": 1}, {"other/then"})
    assert record(ledger, Outcome(Start("scorer", "id")), target(ONE), NOON).restarts == {"scorer": 1}


def test_done_steps_without_a_wish_leave_no_trace():
    for step in (
        Pull("scorer", WANTED),
        Create("scorer", SPEC, 1),
        Stop("scorer", "id", 1, "x"),
        Remove("scorer", "id"),
    ):
        assert record(Ledger(), Outcome(step), target(ONE), NOON) == Ledger()
    for step in (Stop("scorer", "id", 1, "x"), Remove("scorer", "id")):
        assert record(Ledger(), Outcome(step, REFUSED), target(ONE), NOON) == Ledger()


def test_what_a_stride_will_stop_for_a_successor_is_written_down_before():
    old, mine = container(target(TWO).spec("scorer")), container(SPEC)
    stride = Plan((Stop("scorer", old.id, 1, "replaced"), Stop("scorer", mine.id, 1, "not ready")))
    assert intend(Ledger(), stride, target(ONE), looked(old, mine)).stopped == {old.id}


# --- pulls


@pytest.mark.parametrize("error", [ImageMissing("cannot pull: 404"), PullStalled("cannot pull: it stalled")])
def test_every_failed_pull_counts_and_one_that_ends_well_clears_the_count(error):
    ledger = holding(None, ONE)
    for _ in range(2):
        ledger = record_pull(ledger, PullOutcome(WANTED, None, error), NOON)
    assert ledger.attempts[pull_key(WANTED.reference)] == Attempt(2, NOON, error.code, str(error))
    assert record_pull(ledger, PullOutcome(WANTED, SCORER), NOON).attempts == {}


@pytest.mark.parametrize(("asked_s", "least"), [(30, 30), (10**6, 3600), (None, 0.5)])
def test_a_registry_that_asks_to_be_left_alone_is_within_reason(asked_s, least):
    error = RegistryUnreachable("cannot resolve: too many requests", retry_after_s=asked_s)
    ledger = record_pull(holding(None, ONE), PullOutcome(WANTED, None, error), NOON)
    key = pull_key(WANTED.reference)
    assert least <= (due_at(key, ledger.attempts[key]) - NOON).total_seconds() <= max(least, 1) * 1.1
    again = RegistryUnreachable("cannot resolve: no route")
    ledger = record_pull(ledger, PullOutcome(WANTED, None, again), NOON)
    assert ledger.attempts[key].asked_s == 0


def test_a_tag_is_resolved_once_per_manifest():
    ledger = record_pull(holding(ONE, TWO), PullOutcome(WANTED, image("scorer", "1")), NOON)
    ledger = record_pull(ledger, PullOutcome(WANTED, image("scorer", "2")), NOON)
    assert pinned_image(slot(TWO), WANTED.reference, ledger) == image("scorer", "1")
    assert pinned_image(slot(manifest(3)), WANTED.reference, ledger) is None


# --- deaths


def test_an_end_is_counted_once_however_often_it_is_seen():
    ended = looked(container(SPEC, Status.EXITED, exit_code=3))
    ledger = noted(ended, holding(ONE))
    assert ledger.deaths["scorer"] == Death(NOON, 3, "exited with code 3", version=1)
    assert ledger.attempts[KEY].failures == 1
    assert noted(ended, ledger) == ledger
    again = looked(container(SPEC, Status.EXITED, exit_code=3, finished_at=after(5)))
    assert noted(again, ledger).attempts[KEY].failures == 2


def test_an_end_that_came_with_the_engine_s_is_told_and_excused():
    gone = noted(Observed(engine_down="it does not answer"), holding(ONE))
    ended = looked(container(SPEC, Status.EXITED))
    back = noted(ended, gone)
    assert (back.attempts[KEY].failures, back.attempts[KEY].excused) == (0, 1)
    assert back.deaths["scorer"].at == NOON
    later = looked(container(SPEC, Status.EXITED, finished_at=after(30)))
    assert noted(later, back).attempts[KEY].failures == 1


def test_an_end_long_before_the_engine_s_is_no_less_a_failure():
    ended = looked(container(SPEC, Status.EXITED, finished_at=after(-100)))
    gone = noted(Observed(engine_down="it does not answer"), holding(ONE))
    assert noted(ended, gone).attempts[KEY].failures == 1


def test_the_last_twenty_lines_are_kept_and_none_is_longer_than_five_hundred_characters():
    words = (*(f"line {number}" for number in range(100)), "x" * 9000)
    log = noted(looked(container(SPEC, Status.EXITED)), holding(ONE), words).deaths["scorer"].log
    assert (len(log), log[0], len(log[-1])) == (20, "line 81", 500)


def test_an_end_that_was_wished_is_told_and_not_counted():
    ended = container(SPEC, Status.EXITED)
    ledger = noted(looked(ended), holding(ONE, restart_wanted=frozenset({ended.run})))
    assert (set(ledger.deaths), ledger.attempts) == ({"scorer"}, {})


def test_an_end_of_our_own_doing_is_neither_told_nor_counted():
    ended = container(SPEC, Status.EXITED)
    ledger = holding(ONE, stopped=frozenset({ended.id}))
    assert noted(looked(ended), ledger) == ledger


def test_containers_of_other_specs_and_such_that_run_are_no_deaths():
    others = looked(container(target(TWO).spec("scorer"), Status.EXITED), container(SPEC))
    assert noted(others, holding(ONE)) == holding(ONE)


@pytest.mark.parametrize(
    ("code", "oom", "said"),
    [
        (3, False, "exited with code 3"),
        (0, False, "exited with code 0"),
        (None, False, "exited with code None"),
        (137, True, "ran out of memory and was killed"),
        (137, False, "was ended by SIGKILL (exit code 137)"),
        (139, False, "was ended by SIGSEGV (exit code 139)"),
        (160, False, "was ended by signal 32 (exit code 160)"),
    ],
)
def test_an_exit_code_is_said_in_words(code, oom, said):
    assert describe_exit(container(SPEC, Status.EXITED, exit_code=code, oom_killed=oom)) == said


# --- forgetting


def forgotten(ledger: Ledger, observed: Observed, seconds: float = 0) -> Ledger:
    slots = tuple(resolution(one, ledger) for one in (ledger.accepted, ledger.candidate) if one is not None)
    return forget(ledger, target(ONE), observed, after(seconds), slots)


@pytest.mark.parametrize(("seconds", "left"), [(599, 1), (600, 0), (-600, 0)])
def test_failures_are_forgotten_after_ten_minutes_of_readiness_by_whatever_clock(seconds, left):
    ledger = holding(ONE, attempts={KEY: Attempt(5, NOON, "x", "x")})
    assert len(forgotten(ledger, looked(container(SPEC)), seconds).attempts) == left


def test_failures_of_what_is_not_ready_are_kept():
    ledger = holding(ONE, attempts={KEY: Attempt(5, NOON, "x", "x")})
    assert forgotten(ledger, looked(container(SPEC, Status.EXITED)), 9999) == ledger


def test_nothing_is_kept_of_what_no_slot_and_no_container_names():
    gone = Attempt(1, NOON, "x", "x")
    ledger = holding(
        ONE,
        attempts={"run:gone:123": gone, "pull:gone": gone, KEY: gone},
        restarts={"gone": 3, "scorer": 1},
        deaths={"gone": Death(NOON, 1, "x"), "scorer": Death(NOON, 1, "x")},
        demotions=(
            Demotion("gone", "fast", "x", "x", NOON),
            Demotion("scorer", "default", SCORER, "x", NOON),
        ),
        restart_wanted=frozenset({"gone/then"}),
        stopped=frozenset({"gone"}),
    )
    left = forgotten(ledger, looked())
    assert (set(left.attempts), set(left.restarts), set(left.deaths)) == (set(), {"scorer"}, {"scorer"})
    assert [one.module for one in left.demotions] == ["scorer"]
    assert (left.restart_wanted, left.stopped) == (frozenset(), frozenset())


def test_what_earlier_versions_called_their_images_is_kept_the_newest_first():
    names = [f"0123456789abcdef r.example/x:{number}" for number in range(EARLIER_IMAGES + 2)]
    left = forgotten(holding(ONE, resolved=dict.fromkeys(names, "pinned")), looked())
    assert list(left.resolved) == names[2:]


def test_while_the_engine_is_down_no_wish_is_forgotten():
    ledger = holding(ONE, restart_wanted=frozenset({"id/then"}), stopped=frozenset({"id"}))
    assert forgotten(ledger, Observed(engine_down="no answer")) is ledger


def test_one_that_runs_again_is_no_longer_one_we_stopped():
    runs = container(SPEC)
    assert forgotten(holding(ONE, stopped=frozenset({runs.id})), looked(runs)).stopped == frozenset()
