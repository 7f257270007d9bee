"""What is said of a module, and when is it news?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgetender.decide.planner import plan
from edgetender.decide.reporting import (
    ModuleReport,
    ModuleState,
    health_word,
    module_reports,
)
from edgetender.decide.stride import pull_key, run_key
from edgetender.model.ledger import Attempt, Death, Ledger
from edgetender.model.observed import Health, Observed, PullProgress, Readiness, Status
from edgetender.model.target import ImageWanted, Target
from tests.builders.ledgers import after, container, failing, holding, looked, target
from tests.builders.manifests import SCORER, image, manifest, module
from tests.fakes.clock import NOON

ONE = manifest(1)
SPEC = target(ONE).spec("scorer")
KEY = run_key("scorer", SPEC.digest)
CRASHED = Attempt(2, NOON, "container.exited", "exited with code 3")
NEXT = image("next")


def said(observed: Observed, ledger: Ledger | None = None, aimed: Target | None = None) -> ModuleReport:
    ledger, aimed = ledger or holding(ONE), aimed or target(ONE)
    (report,) = module_reports(aimed, observed, ledger, plan(aimed, observed, ledger, after(0.1)))
    return report


def test_a_ready_module_is_running_and_there_is_nothing_to_explain():
    report = said(looked(container(SPEC)))
    assert (report.state, report.ready, report.why, report.code) == (ModuleState.RUNNING, True, "", "")
    assert (report.version, report.image, report.since) == (1, SCORER, NOON)


@pytest.mark.parametrize("status", [Status.CREATED, Status.RESTARTING])
def test_one_that_is_about_to_run_is_starting(status):
    assert said(looked(container(SPEC, status))).state is ModuleState.STARTING


def test_one_that_runs_and_has_not_answered_yet_is_starting_and_says_what_it_answers():
    report = said(looked(container(SPEC, health=Health(Readiness.UNKNOWN, NOON, "connection refused"))))
    assert (report.state, report.why) == (ModuleState.STARTING, "connection refused")


def test_one_that_fails_its_probe_is_unhealthy():
    report = said(looked(container(SPEC, health=failing("answered 503"))))
    assert (report.state, report.why, report.ready) == (ModuleState.UNHEALTHY, "answered 503", False)


def test_one_that_somebody_paused_is_unhealthy():
    report = said(looked(container(SPEC, Status.PAUSED)))
    assert (report.state, report.code) == (ModuleState.UNHEALTHY, "container.paused")


def test_one_that_ended_is_in_back_off_and_says_how_it_ended():
    report = said(looked(container(SPEC, Status.EXITED)), holding(ONE, attempts={KEY: CRASHED}))
    assert (report.state, report.why, report.code) == (
        ModuleState.BACKOFF, "exited with code 3", "container.exited",
    )  # fmt: skip


def test_one_that_was_asked_to_end_says_how_it_did_not_how_it_did_before():
    ledger = holding(ONE, attempts={KEY: CRASHED}, deaths={"scorer": Death(NOON, 0, "exited with code 0")})
    assert said(looked(container(SPEC, Status.EXITED)), ledger).why == "exited with code 0"


@pytest.mark.parametrize(("policy", "code"), [("never", 0), ("never", 3), ("on-failure", 0)])
def test_one_that_ended_and_is_not_to_be_restarted_is_stopped(policy, code):
    job = target(manifest(1, scorer=module(restart=policy)))
    report = said(looked(container(job.spec("scorer"), Status.EXITED, exit_code=code)), aimed=job)
    assert (report.state, report.why) == (ModuleState.STOPPED, f"ended with code {code}; restart: {policy}")


def test_one_whose_image_is_on_its_way_is_pulling():
    wanted = Target(None, "line3", (), (ImageWanted("scorer", NEXT),))
    report = said(Observed(pulls=(PullProgress(NEXT, 5, 10),)), aimed=wanted)
    assert (report.state, report.pull.done_bytes, report.image) == (ModuleState.PULLING, 5, NEXT)


def test_one_whose_image_does_not_come_waits_and_says_why_and_how_often():
    wanted = Target(None, "line3", (), (ImageWanted("scorer", NEXT),))
    ledger = holding(None, ONE, attempts={pull_key(NEXT): Attempt(2, NOON, "image.missing", "no such image")})
    report = said(Observed(), ledger, wanted)
    assert (report.state, report.code) == (ModuleState.WAITING, "image.missing")
    assert report.why == "new image not here: no such image (tried 2 times)"


def test_one_that_serves_while_its_next_image_is_fetched_runs_and_says_what_the_pull_met():
    aimed = replace(target(ONE), fetch=(ImageWanted("scorer", NEXT),))
    ledger = holding(ONE, attempts={pull_key(NEXT): Attempt(1, NOON, "image.missing", "no such image")})
    report = said(looked(container(SPEC)), ledger, aimed)
    assert (report.state, report.why) == (
        ModuleState.RUNNING,
        "new image not here: no such image (tried once)",
    )
    assert health_word((report,), looked(), ledger) == "degraded"


def test_the_variant_named_is_the_one_that_serves_also_while_another_is_on_its_way():
    report = said(looked(replace(container(SPEC), spec="another", variant="cpu")))
    assert (report.variant, report.ready) == ("cpu", True)
    assert said(Observed()).variant == SPEC.variant


def test_a_container_that_two_variants_share_is_the_one_s_it_was_kept_for():
    report = said(looked(replace(container(SPEC), variant="npu")))
    assert report.variant == SPEC.variant != "npu"


def test_one_that_no_variant_of_fits_is_blocked_or_runs_on_and_says_why():
    blocked = Target(None, "line3", (), (), blocked=(("scorer", "no variant fits"),))
    assert said(Observed(), aimed=blocked).state is ModuleState.BLOCKED
    serving = replace(target(ONE), blocked=(("scorer", "no variant fits"),))
    report = said(looked(container(SPEC)), aimed=serving)
    assert (report.state, report.why) == (
        ModuleState.RUNNING,
        "the new version cannot run here: no variant fits",
    )
    assert health_word((report,), Observed(), holding(ONE)) == "degraded"


def test_with_the_engine_down_a_module_waits_for_it():
    report = said(Observed(engine_down="connection refused"))
    assert (report.state, report.why, report.code) == (
        ModuleState.WAITING,
        "connection refused",
        "engine.down",
    )


def test_one_whose_creation_failed_waits_for_its_back_off_and_says_why():
    report = said(looked(images=frozenset({SCORER})), holding(ONE, attempts={KEY: CRASHED}))
    assert (report.state, report.why) == (ModuleState.WAITING, "exited with code 3")


def test_while_two_exist_the_one_that_serves_speaks_for_the_module():
    old = container(target(manifest(1, scorer=module(env={"V": "0"}))).spec("scorer"), version=7)
    assert said(looked(container(SPEC, Status.CREATED), old)).version == 7


def test_the_device_is_healthy_when_all_run_or_are_done():
    well = ModuleReport("a", ModuleState.RUNNING)
    words = {
        health_word((well, replace(well, state=state)), Observed(), holding(ONE)): state
        for state in ModuleState
    }
    assert set(words) == {"healthy", "degraded"}
    failed = replace(well, state=ModuleState.STOPPED, death=Death(NOON, 3, "exited with code 3"))
    assert health_word((failed,), Observed(), holding(ONE)) == "degraded"
    assert health_word((), Observed(), Ledger()) == "waiting"
    assert health_word((well,), Observed(engine_down="x"), holding(ONE)) == "engine down"
