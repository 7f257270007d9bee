"""The loop when a new version disappoints: the accepted one serves again, and nobody is blamed wrongly."""

from __future__ import annotations

import pytest

from edgetender.errors import DiskFull, EngineDown, EngineRefused, ImageMissing
from edgetender.model.observed import Status
from tests.builders.loops import Loop, deployed, running, serving
from tests.builders.manifests import SCORER, image, manifest, module
from tests.fakes.power import Power, PowerCut

NEXT = image("scorer", "b")
BAD = manifest(2, scorer=module(image=NEXT))


def crashing(loop: Loop, times: int) -> None:
    """Whatever runs *NEXT* ends as soon as it runs, *times* times."""
    for _ in range(400):
        loop.run(0.2)
        for container in loop.engine.containers():
            if times and container.image == NEXT and container.status is Status.RUNNING:
                loop.engine.crash(container.id, 3)
                times -= 1
        if not times:
            return
    raise AssertionError(f"it should have been started {times} times more")


def with_next() -> Loop:
    loop = deployed()
    loop.puller.registry.add(NEXT)
    return loop


def test_a_candidate_that_crashes_three_times_is_rolled_back_and_the_accepted_version_serves_again():
    loop = with_next()
    before = serving(loop)
    loop.push(BAD)
    crashing(loop, 3)
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}
    assert serving(loop) == before
    assert loop.last.ledger.desired.code == 417
    assert "exited with code 3" in loop.last.ledger.desired.description
    assert [(e.version, e.result.split(":")[0], e.by) for e in loop.store.history()] == [
        (2, "rolled back", "agent"),
        (1, "running", ""),
    ]
    loop.run(30)
    assert [c.image for c in loop.engine.containers()] == [SCORER]


def test_a_version_we_come_back_to_has_not_crashed():
    loop = with_next()
    loop.push(BAD)
    crashing(loop, 3)
    loop.run(1)
    assert running(loop) == {"scorer": SCORER}
    assert not [
        key
        for key in loop.last.ledger.attempts
        if "scorer" in key and loop.last.ledger.attempts[key].code == "container.exited"
    ]
    assert loop.last.ledger.deaths["scorer"].exit_code == 3  # the candidate's, not our own stop of the other


@pytest.mark.parametrize("policy", ["never", "on-failure"])
def test_a_version_we_come_back_to_is_started_whatever_its_restart_policy(policy: str):
    loop = deployed(manifest(1, scorer=module(restart=policy)))
    loop.puller.registry.add(NEXT)
    loop.push(BAD)
    crashing(loop, 3)
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}


def test_a_candidate_that_crashes_twice_and_then_runs_is_accepted():
    loop = with_next()
    loop.push(BAD)
    crashing(loop, 2)
    loop.run(30)
    assert running(loop) == {"scorer": NEXT}
    assert loop.last.ledger.accepted.version == 2


def test_a_candidate_that_cannot_be_started_is_rolled_back_within_ten_seconds():
    loop = with_next()
    loop.engine.fail_on("create", EngineRefused("cannot create: bad mount"), times=3)
    loop.push(BAD)
    spent = 0.0
    while loop.store.ledger().desired.version != 2 or loop.store.ledger().desired.code != 417:
        pause = loop.cycle()  # in full: nothing but its own pause wakes the loop here
        loop.clock.advance(pause)
        spent += pause
        assert spent < 10
    assert running(loop) == {"scorer": SCORER}


@pytest.mark.parametrize(
    "error", [EngineDown("cannot start: no answer"), DiskFull("cannot start: no space left")]
)
def test_an_engine_that_goes_away_or_a_full_disk_costs_no_candidate(error: Exception):
    loop = with_next()
    loop.engine.fail_on("create", error, times=6)
    loop.push(BAD)
    loop.run(120)
    assert loop.last.ledger.accepted.version == 2
    assert running(loop) == {"scorer": NEXT}


def test_a_candidate_whose_image_never_comes_does_not_disturb_the_accepted_version():
    loop = deployed()
    loop.puller.errors[NEXT] = ImageMissing("cannot pull: no such image")
    effects = list(loop.engine.effects)
    loop.push(BAD)
    loop.run(300)
    loop.engine.crash(serving(loop), 1)
    loop.run(3)
    assert running(loop) == {"scorer": SCORER}
    assert loop.engine.effects[len(effects) :] == [("start", serving(loop))]
    assert loop.last.ledger.candidate.version == 2


def test_of_two_candidates_in_quick_succession_only_the_newer_runs():
    loop = with_next()
    third = image("scorer", "c")
    loop.puller.registry.add(third)
    loop.push(BAD)
    loop.run(3)  # running, not settled
    assert running(loop) == {"scorer": NEXT}
    loop.push(manifest(3, scorer=module(image=third)))
    loop.run(30)
    assert running(loop) == {"scorer": third}
    assert len(loop.engine.containers()) == 1
    said = {entry.version: entry for entry in loop.store.history()}
    assert {v: e.result for v, e in said.items()} == {
        1: "superseded",
        2: "superseded before it was accepted",
        3: "running",
    }
    assert said[2].changes == "~scorer"
    assert said[2].finished_at is not None


def test_a_third_candidate_is_judged_on_its_own_after_a_bad_second_one():
    loop = with_next()
    loop.push(BAD)
    crashing(loop, 3)
    loop.run(5)
    loop.push(manifest(3, scorer=module(image=NEXT, env={"FIXED": "1"})))
    loop.run(30)
    assert loop.last.ledger.accepted.version == 3
    assert loop.last.ledger.desired.code == 200


def test_a_first_version_that_fails_is_kept_trying_for_want_of_anything_better():
    loop = Loop()
    loop.puller.registry.add(NEXT)
    loop.push(manifest(1, scorer=module(image=NEXT)))
    crashing(loop, 5)
    loop.run(60)
    assert running(loop) == {"scorer": NEXT}
    assert loop.last.ledger.accepted.version == 1


@pytest.mark.parametrize("policy", ["never", "on-failure"])
def test_a_job_that_did_its_work_is_accepted_and_its_predecessor_removed(policy: str):
    loop = deployed(manifest(1, scorer=module(), job=module(restart=policy)))
    loop.puller.registry.add(NEXT)
    loop.push(manifest(2, scorer=module(), job=module(image=NEXT, restart=policy)))
    for _ in range(50):
        loop.run(0.1)
        if job := next((c for c in loop.engine.containers() if c.image == NEXT and c.running), None):
            loop.engine.crash(job.id, 0)
            break
    loop.run(30)
    assert loop.last.ledger.accepted.version == 2
    assert sorted((c.module, c.image) for c in loop.engine.containers()) == [
        ("job", NEXT),
        ("scorer", SCORER),
    ]
    assert not loop.last.ledger.attempts
    assert not loop.last.plan.steps


def test_a_job_that_failed_and_shall_not_be_restarted_rolls_its_candidate_back():
    loop = deployed()
    loop.puller.registry.add(NEXT)
    loop.push(manifest(2, scorer=module(image=NEXT, restart="never")))
    crashing(loop, 1)
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}
    assert "restart: never" in loop.last.ledger.desired.description


def test_a_date_learned_late_fails_nobody_who_is_still_starting():
    health = {"http": {"path": "/ready"}, "deadline": "60s"}
    loop = deployed()
    loop.puller.registry.add(NEXT)
    loop.refusals["/ready"] = "still loading"
    loop.push(manifest(2, scorer=module(image=NEXT, health=health)))
    loop.run(5)
    assert running(loop) == {"scorer": NEXT}
    loop.clock.set(loop.clock.now().replace(year=2031))
    loop.run(20)
    assert running(loop) == {"scorer": NEXT}
    loop.refusals.clear()
    loop.run(30)
    assert loop.last.ledger.accepted.version == 2


# --- a person's wishes


def test_a_restart_that_was_interrupted_after_it_happened_does_not_happen_again():
    loop = deployed()
    loop.store.deliver("restart", "cli", b'{"module": "scorer"}', loop.clock.now())
    loop.cycle()
    loop.clock.advance(0.5)
    power = Power(2, after=True)  # 1 writes the wish's end down, were it first; 2 is the start
    loop.boot(power)
    with pytest.raises(PowerCut):
        loop.cycle()
    assert loop.engine.effects[-1] == ("start", serving(loop))
    assert loop.store.ledger().restart_wanted  # nobody wrote down that it happened
    loop.boot()
    loop.run(20)
    assert [name for name, _ in loop.engine.effects].count("stop") == 1
    assert not loop.last.ledger.restart_wanted


def test_a_restart_wish_whose_start_fails_is_tried_again_by_back_off():
    loop = deployed()
    loop.engine.fail_on("start", EngineRefused("cannot start: device busy"), times=3)
    loop.store.deliver("restart", "cli", b'{"module": "scorer"}', loop.clock.now())
    tried = loop.engine.tried
    loop.run(60)
    assert running(loop) == {"scorer": SCORER}
    assert loop.engine.tried - tried == 5  # a stop, three starts that fail, one that does not


# --- what is remembered does not grow with the years


def test_what_belongs_to_modules_and_versions_that_are_gone_is_forgotten():
    other = image("other")
    loop = deployed(manifest(1, scorer=module(), other=module(image=other)), other)
    for version in range(2, 40):
        loop.engine.crash(next(c.id for c in loop.engine.containers() if c.module == "scorer"), 1)
        loop.run(3)
        loop.push(manifest(version, scorer=module(env={"V": str(version)}), other=module(image=other)))
        loop.run(20)
    assert len(loop.last.ledger.attempts) <= 1
    loop.engine.crash(next(c.id for c in loop.engine.containers() if c.module == "other"), 1)
    loop.run(5)
    assert set(loop.last.ledger.restarts) == set(loop.last.ledger.deaths) == {"scorer", "other"}
    loop.push(manifest(40))
    loop.run(30)
    assert set(loop.last.ledger.restarts) == set(loop.last.ledger.deaths) == {"scorer"}
    assert not [key for key in loop.last.ledger.attempts if "other" in key]
    assert not loop.last.ledger.stopped


def test_condemned_manifests_are_remembered_up_to_a_number():
    loop = deployed()
    loop.refusals["/no"] = "no"
    for version in range(2, 40):
        health = {"http": {"path": "/no"}, "deadline": "1s"}
        loop.push(manifest(version, scorer=module(env={"V": str(version)}, health=health)))
        loop.run(8)
    assert loop.last.ledger.desired.code == 417
    assert len(loop.last.ledger.condemned) == 20
    assert max(gone.version for gone in loop.last.ledger.condemned.values()) == 39


def test_demotions_are_remembered_while_a_slot_names_their_variant():
    loop = Loop()
    loop.puller.registry |= {image("plain"), *(image("fast", d) for d in "0123456789")}
    for version in range(1, 10):
        fast = image("fast", str(version))
        variants = [{"name": "fast", "image": fast}, {"name": "plain", "image": image("plain")}]
        loop.engine.fail_on("create", EngineRefused("cannot create: no such device"), times=3)
        loop.push(manifest(version, scorer={"variants": variants, "env": {"V": str(version)}}))
        loop.run(40)
        assert running(loop) == {"scorer": image("plain")}
    assert loop.last.ledger.accepted.version == 9
    assert [d.image for d in loop.last.ledger.demotions] == [image("fast", "9")]


def test_a_container_that_prints_a_megabyte_in_one_line_leaves_a_line_of_last_words():
    loop = deployed()
    loop.world.held[serving(loop)].printed.append("x" * 1_000_000)
    loop.engine.crash(serving(loop), 1)
    loop.run(2)
    assert sum(map(len, loop.last.ledger.deaths["scorer"].log)) < 11_000
