"""The loop as a whole, on fakes: what an operator pushes becomes what runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from edgetender.decide.reporting import ModuleState, module_reports
from edgetender.errors import AgentError, DiskFull, EngineRefused, ImageMissing, NotFound
from edgetender.model.observed import Status
from tests.builders.loops import Loop, deployed, ids, running, serving
from tests.builders.manifests import SCORER, image, manifest, module


def states(loop: Loop) -> dict[str, str]:
    last = loop.last
    return {r.name: r.state.value for r in module_reports(last.target, last.observed, last.ledger, last.plan)}


def test_a_pushed_manifest_is_pulled_started_settled_and_accepted():
    loop = deployed()
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.ledger.accepted.version == 1
    assert loop.last.ledger.candidate is None
    assert loop.last.ledger.desired.code == 200
    assert [entry.result for entry in loop.store.history()] == ["running"]


def test_a_changed_environment_replaces_only_that_module():
    two = manifest(1, scorer=module(), other=module(image=image("other")))
    loop = deployed(two, image("other"))
    before = {c.module: c.id for c in loop.engine.containers()}
    loop.push(manifest(2, scorer=module(env={"THRESHOLD": "0.6"}), other=module(image=image("other"))))
    loop.run(30)
    after = {c.module: c.id for c in loop.engine.containers()}
    assert after["other"] == before["other"]
    assert after["scorer"] != before["scorer"]
    assert len(loop.engine.containers()) == 2
    assert [(e.version, e.result) for e in loop.store.history()] == [(2, "running"), (1, "superseded")]


def test_a_refused_manifest_touches_nothing_and_says_why():
    loop = deployed()
    effects = list(loop.engine.effects)
    loop.push(manifest(2, scorer=module(bogus=1, ports=["70000:1"])))
    loop.run(5)
    assert loop.engine.effects == effects
    assert loop.last.ledger.desired.code == 400
    assert [path for path, _, _ in loop.last.ledger.desired.problems] == [
        "modules.scorer.bogus",
        "modules.scorer.ports[0].host",
    ]


def test_an_image_that_is_not_there_leaves_the_running_version_serving_and_retries_back_off():
    loop = deployed()
    gone = image("gone")
    loop.puller.errors[gone] = ImageMissing("cannot pull gone: the registry has no such image")
    loop.push(manifest(2, scorer=module(image=gone)))
    loop.run(60)
    assert running(loop) == {"scorer": SCORER}
    assert 4 <= loop.puller.submitted.count(gone) <= 9
    report = module_reports(loop.last.target, loop.last.observed, loop.last.ledger, loop.last.plan)[0]
    assert "no such image" in report.why
    assert report.state is ModuleState.RUNNING


def test_a_killed_container_comes_back_within_two_seconds_and_is_counted():
    loop = deployed()
    loop.engine.crash(serving(loop), 137)
    loop.run(2)
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.ledger.restarts["scorer"] == 1
    assert loop.last.ledger.deaths["scorer"].exit_code == 137


def test_a_crash_loop_backs_off_and_is_never_given_up():
    loop = deployed()
    for _ in range(8):
        loop.run(400)
        loop.engine.crash(serving(loop), 1)
    attempt = next(iter(loop.last.ledger.attempts.values()))
    assert attempt.failures >= 6
    loop.run(400)
    assert running(loop) == {"scorer": SCORER}


def test_failures_are_forgotten_after_ten_minutes_of_health():
    loop = deployed()
    loop.engine.crash(serving(loop), 1)
    loop.run(10)
    assert loop.last.ledger.attempts
    loop.run(620)
    assert not loop.last.ledger.attempts


def test_a_candidate_that_never_gets_ready_is_rolled_back_and_not_tried_again():
    health = {"http": {"path": "/ready"}, "deadline": "20s"}
    loop = deployed()
    loop.refusals["/ready"] = "GET /ready on port 5001 answered 500"
    bad = manifest(2, scorer=module(env={"V": "2"}, health=health))
    loop.push(bad)
    loop.run(40)
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.ledger.accepted.version == 1
    assert loop.last.ledger.desired.code == 417
    effects = list(loop.engine.effects)
    loop.push(bad)
    loop.run(40)
    assert loop.engine.effects == effects
    assert loop.last.ledger.desired.code == 417


def test_a_variant_that_cannot_start_is_demoted_and_the_next_one_serves():
    variants = [{"name": "fast", "image": image("fast")}, {"name": "plain", "image": image("plain")}]
    loop = Loop()
    loop.puller.registry |= {image("fast"), image("plain")}
    loop.engine.fail_on("start", EngineRefused("cannot start: no such device"), times=3)
    loop.push(manifest(1, scorer={"variants": variants}))
    loop.run(60)
    assert running(loop) == {"scorer": image("plain")}
    verdicts = {c.variant: c.verdict for c in loop.last.target.considered}
    assert verdicts == {"fast": "demoted", "plain": "chosen"}


def test_with_the_engine_down_nothing_is_lost_and_all_converges_when_it_is_back():
    loop = Loop()
    loop.puller.registry.add(SCORER)
    loop.engine.down = "connection refused"
    loop.push(manifest(1))
    loop.run(10)
    assert loop.last.observed.engine_down
    loop.engine.down = None
    loop.run(30)
    assert running(loop) == {"scorer": SCORER}


@pytest.mark.parametrize("asked", ["containers", "images"])
@pytest.mark.parametrize("kind", [DiskFull, NotFound])
def test_an_engine_that_cannot_list_what_it_has_ends_nothing(asked: str, kind: type[AgentError]):
    loop = deployed()
    loop.engine.fail_on(asked, kind("cannot list: write /var/lib/docker: no space left on device"))
    loop.cycle()
    assert "no space left" in (loop.last.observed.engine_down or "")
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}


def test_a_lost_state_database_leaves_what_runs_alone_until_the_manifest_is_back():
    loop = deployed()
    kept = ids(loop)
    loop.store = type(loop.store)()
    loop.boot()
    loop.run(30)
    assert ids(loop) == kept
    loop.push(manifest(1))
    loop.run(30)
    assert ids(loop) == kept
    assert loop.last.ledger.accepted.version == 1


def test_a_restart_asked_for_happens_once_and_counts_no_failure():
    loop = deployed()
    loop.store.deliver("restart", "cli", b'{"module": "scorer"}', loop.clock.now())
    loop.run(10)
    assert [name for name, _ in loop.engine.effects].count("stop") == 1
    assert running(loop) == {"scorer": SCORER}
    assert not loop.last.ledger.attempts


def test_rolling_back_by_hand_returns_to_the_version_before_and_stays_there():
    loop = deployed()
    second = manifest(2, scorer=module(env={"V": "2"}))
    loop.push(second)
    loop.run(30)
    loop.store.deliver("rollback", "cli (uid 0)", b"{}", loop.clock.now())
    loop.run(30)
    assert loop.last.ledger.accepted.version == 1
    loop.push(second)
    loop.run(30)
    assert loop.last.ledger.accepted.version == 1


def test_a_manifest_without_modules_removes_everything_only_when_it_says_so():
    loop = deployed()
    loop.push({**manifest(2), "modules": {}})
    loop.run(5)
    assert loop.last.ledger.desired.code == 400
    loop.push({**manifest(2), "modules": {}, "allow_empty": True})
    loop.run(30)
    assert loop.engine.containers() == ()
    assert states(loop) == {}


def test_what_somebody_paused_serves_again_and_was_not_restarted():
    loop = deployed()
    box = loop.world.held[serving(loop)]
    box.container = replace(box.container, status=Status.PAUSED, address=None)
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.observed.containers[0].ready
    assert loop.last.ledger.restarts == {}


@pytest.mark.parametrize(
    "by", [timedelta(days=400), timedelta(days=-400), timedelta(seconds=30), timedelta(seconds=-8)]
)
def test_a_clock_that_is_set_makes_settling_neither_shorter_nor_longer(by: timedelta):
    loop = deployed()
    loop.push({**manifest(2, scorer=module(env={"V": "2"})), "update": {"settle": 60}})
    while loop.last.ledger.settling_since is None:
        loop.run(1)
    loop.run(10)
    loop.clock.set(loop.clock.now() + by)
    loop.run(45)
    assert loop.last.ledger.accepted.version == 1
    loop.run(8)
    assert loop.last.ledger.accepted.version == 2
