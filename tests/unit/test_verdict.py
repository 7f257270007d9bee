"""Is the candidate good?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgetender.decide.stride import run_key
from edgetender.decide.verdict import Accept, Demote, RollBack, Wait, condemn, judge, settle
from edgetender.model.ledger import Attempt, Condemnation, Desired, Ledger
from edgetender.model.observed import Health, Observed, Status
from tests.builders.ledgers import after, container, failing, holding, looked, target
from tests.builders.manifests import image, manifest, module, slot
from tests.fakes.clock import NOON

ONE, TWO = manifest(1), manifest(2, scorer=module(env={"V": "2"}))
FAST, PLAIN = image("fast"), image("plain")
VARIANTS = manifest(
    2, scorer={"variants": [{"name": "fast", "image": FAST}, {"name": "plain", "image": PLAIN}]}
)


def judged(document, observed: Observed, ledger: Ledger, seconds: float = 0):
    wanted = target(document, ledger)
    return judge(wanted, observed, ledger, wanted.considered, 10.0, after(seconds))


def spec_of(document):
    return target(document).spec("scorer")


def failed(document, times: int, excused: int = 0) -> dict[str, Attempt]:
    key = run_key("scorer", spec_of(document).digest)
    return {key: Attempt(times, NOON, "container.exited", "exited with code 3", excused)}


def test_a_candidate_that_is_not_ready_is_waited_for():
    starting = looked(container(spec_of(TWO), Status.CREATED))
    assert judged(TWO, starting, holding(ONE, TWO)) == Wait()
    assert judged(TWO, looked(), holding(ONE, TWO)) == Wait()


def test_a_ready_candidate_settles_and_is_then_accepted():
    ready, ledger = looked(container(spec_of(TWO))), holding(ONE, TWO)
    verdict = judged(TWO, ready, ledger)
    assert verdict == Wait(ready=True, until=after(10))
    ledger = settle(ledger, verdict, NOON)
    assert judged(TWO, ready, ledger, 9.9) == Wait(ready=True, until=after(10))
    assert judged(TWO, ready, ledger, 10) == Accept()
    accepted = settle(ledger, Accept(), after(10))
    assert (accepted.accepted.version, accepted.candidate, accepted.settling_since) == (2, None, None)
    assert accepted.desired == Desired(2, 200, "running", after(10))


def test_settling_begins_anew_after_readiness_was_lost():
    ledger = settle(holding(ONE, TWO), Wait(ready=True), NOON)
    assert settle(ledger, Wait(), after(5)).settling_since is None


def test_a_candidate_that_lost_its_readiness_is_rolled_back_at_once():
    broken = looked(container(spec_of(TWO), health=failing("answered 503")))
    assert judged(TWO, broken, holding(ONE, TWO)) == RollBack(
        "module scorer: not ready: answered 503", "scorer"
    )


@pytest.mark.parametrize(("times", "rolled_back"), [(2, False), (3, True)])
def test_three_failures_in_a_row_roll_a_candidate_back(times: int, rolled_back: bool):
    ended = looked(container(spec_of(TWO), Status.EXITED))
    verdict = judged(TWO, ended, holding(ONE, TWO, attempts=failed(TWO, times)))
    assert isinstance(verdict, RollBack) == rolled_back


def test_failures_nobody_is_at_fault_for_roll_nothing_back():
    ended = looked(container(spec_of(TWO), Status.CREATED))
    assert judged(TWO, ended, holding(ONE, TWO, attempts=failed(TWO, 2, excused=20))) == Wait()


@pytest.mark.parametrize(("begun", "failures", "rolled_back"), [(2, 0, False), (3, 0, True), (2, 1, True)])
def test_starts_whose_end_nobody_saw_count_as_failures(begun: int, failures: int, rolled_back: bool):
    """The machine went down with them: the container is as it was before the start."""
    ledger = holding(ONE, TWO, attempts=failed(TWO, failures) if failures else {})
    ledger = replace(ledger, begun={run_key("scorer", spec_of(TWO).digest): begun})
    verdict = judged(TWO, looked(container(spec_of(TWO), Status.CREATED)), ledger)
    assert isinstance(verdict, RollBack) == rolled_back


def test_a_start_that_may_yet_come_to_something_is_no_failure():
    ledger = holding(ONE, TWO, begun={run_key("scorer", spec_of(TWO).digest): 3})
    starting = looked(container(spec_of(TWO), health=Health()))
    assert judged(TWO, starting, ledger) == Wait()


def test_past_failures_do_not_count_against_what_is_ready_now():
    ledger = holding(ONE, TWO, attempts=failed(TWO, 7))
    assert judged(TWO, looked(container(spec_of(TWO))), ledger) == Wait(ready=True, until=after(10))


def test_a_failing_candidate_with_nothing_to_go_back_to_is_kept_trying():
    broken = looked(container(spec_of(TWO), health=failing()))
    assert judged(TWO, broken, holding(None, TWO, attempts=failed(TWO, 9))) == Wait()


def test_a_variant_that_gave_out_is_demoted_while_there_is_another():
    broken = looked(container(spec_of(VARIANTS), health=failing()))
    ledger = holding(ONE, VARIANTS)
    verdict = judged(VARIANTS, broken, ledger)
    assert verdict == Demote("scorer", "fast", FAST, "not ready: answered 503", "not_ready")
    ledger = settle(ledger, verdict, NOON)
    assert target(VARIANTS, ledger).spec("scorer").variant == "plain"
    last = looked(container(target(VARIANTS, ledger).spec("scorer"), health=failing()))
    assert isinstance(judged(VARIANTS, last, ledger), RollBack)


def test_an_accepted_version_is_never_rolled_back_but_its_variant_may_be_demoted():
    broken = looked(container(spec_of(TWO), Status.EXITED))
    assert judged(TWO, broken, holding(TWO, attempts=failed(TWO, 9))) == Wait()
    ended = looked(container(spec_of(VARIANTS), Status.EXITED))
    assert isinstance(judged(VARIANTS, ended, holding(VARIANTS, attempts=failed(VARIANTS, 3))), Demote)


def test_with_the_engine_down_or_nothing_applied_there_is_no_verdict():
    assert (
        judged(TWO, Observed(engine_down="no answer"), holding(ONE, TWO, attempts=failed(TWO, 3))) == Wait()
    )
    assert judge(replace(target(TWO), version=None), looked(), holding(ONE, TWO), (), 10, NOON) == Wait()


def test_rolling_back_condemns_by_digest_and_leaves_the_floor():
    ledger = settle(holding(ONE, TWO), RollBack("it crashed"), NOON)
    assert (ledger.candidate, ledger.accepted.version, ledger.floor) == (None, 1, 2)
    assert ledger.condemned[slot(TWO).sha256].reason == "it crashed"
    assert (ledger.desired.code, ledger.desired.description) == (417, "rolled back: it crashed")


def test_a_refused_newer_version_stays_in_the_report_when_the_candidate_is_judged():
    ledger = holding(ONE, TWO, desired=Desired(3, 400, "invalid", NOON))
    assert settle(ledger, Accept(), NOON).desired.version == 3
    assert settle(ledger, RollBack("it crashed"), NOON).desired.version == 3


@pytest.mark.parametrize(
    ("policy", "code", "verdict"), [("never", 0, Wait), ("on-failure", 0, Wait), ("never", 3, RollBack)]
)
def test_a_job_is_judged_by_how_it_ended(policy: str, code: int, verdict: type):
    job = manifest(2, scorer=module(restart=policy, env={"V": "2"}))
    ended = looked(container(spec_of(job), Status.EXITED, exit_code=code))
    found = judged(job, ended, holding(ONE, job))
    assert isinstance(found, verdict)
    assert getattr(found, "ready", None) in (True, None)


def test_a_verdict_without_a_candidate_changes_nothing():
    assert settle(holding(ONE), Accept(), NOON) == holding(ONE)
    assert settle(holding(ONE), RollBack("why"), NOON) == holding(ONE)


def test_a_new_epoch_s_condemned_versions_are_remembered_though_their_numbers_are_lower():
    older = {f"{number}": Condemnation(number, "it crashed", NOON, 1) for number in range(100, 120)}
    ledger = condemn(Ledger(condemned=older), replace(slot(ONE), epoch=2), "it crashed", NOON)
    ledger = condemn(ledger, replace(slot(TWO), epoch=2), "it crashed", NOON)
    assert {slot(ONE).sha256, slot(TWO).sha256} < set(ledger.condemned)
