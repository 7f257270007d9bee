"""Is the candidate worse at answering than the version before it?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.traffic import ENOUGH_ERRORS, ENOUGH_REQUESTS, ENOUGH_TIMES, noted, worse
from edgetender.decide.verdict import RollBack, judge, settle
from edgetender.model.front import NAT, PROXY, FrontServer, FrontState, Member
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed
from edgetender.model.target import Target
from tests.builders.effort import examples
from tests.builders.ledgers import container, holding, looked, resolution
from tests.builders.loops import FRONTED
from tests.builders.manifests import manifest, module
from tests.fakes.clock import NOON

WEB = {"ports": ["9000:5001"], "health": {"http": {"port": 5001}}}
ONE, TWO = manifest(1, scorer=module(**WEB)), manifest(2, scorer=module(**WEB, env={"V": "2"}))
(OLD_SPEC,), (NEW_SPEC,) = (resolution(one, hardware=FRONTED).containers for one in (ONE, TWO))
OLD, NEW = container(OLD_SPEC), container(NEW_SPEC)
TRIAL = holding(ONE, TWO)
TARGET = Target(2, "x", (NEW_SPEC,))


def old(requests: int | None = 1000, errors: int | None = 0, **more: Any) -> FrontServer:
    return FrontServer(OLD.id, "10.77.0.2", receives=False, requests=requests, errors=errors, **more)


def new(requests: int | None = 1000, errors: int | None = 0, **more: Any) -> FrontServer:
    return FrontServer(NEW.id, "10.77.0.3", receives=True, requests=requests, errors=errors, **more)


def behind(*servers: FrontServer) -> Observed:
    receives = next((one for one in servers if one.receives), None)
    target = Member(receives.container, receives.address) if receives else None
    front = FrontState("scorer", PROXY, "", running=True, target=target, servers=servers)
    return looked(OLD, NEW, fronts=(front,))


def said(*looks: Observed, ledger: Ledger = TRIAL) -> str | None:
    """Why the candidate is worse, after these looks."""
    for observed in looks:
        ledger = noted(ledger, TARGET, observed)
    return worse(NEW_SPEC, looks[-1], ledger)


@pytest.mark.parametrize(
    ("before", "now", "bad"),
    [
        ((1000, 0), (20, 5), True),
        ((0, 0), (100, 100), True),
        ((1000, 10), (100, 5), True),
        ((1000, 0), (19, 19), False),
        ((1000, 0), (1000, 4), False),
        ((1000, 0), (1000, 49), False),
        ((1000, 200), (100, 60), False),
        ((None, None), (None, None), False),
    ],
    ids=[
        "every fourth", "all, and nobody asked the old one", "five times as many", "too few requests",
        "too few errors", "less than one in twenty", "the old one is hardly better", "no figures",
    ],
)  # fmt: skip
def test_it_is_worse_when_many_more_requests_fail_than_before(before, now, bad):
    why = said(behind(old(*before), new(*now)))
    assert (why is not None) == bad
    assert why is None or why.startswith(f"{now[1]} of {now[0]} requests failed")


@pytest.mark.parametrize(
    ("before", "now", "bad"),
    [
        ((5.0, 1000), (16.0, 1000), True),
        ((40.0, 100), (121.0, 100), True),
        ((40.0, 1000), (119.0, 1000), False),
        ((0.0, 1000), (10.0, 1000), False),
        ((40.0, 99), (900.0, 1000), False),
        ((40.0, 1000), (900.0, 99), False),
    ],
    ids=[
        "three times", "three times, of the fewest", "not three times", "a fast one, by little",
        "too few before", "too few now",
    ],
)  # fmt: skip
def test_it_is_worse_when_it_takes_three_times_as_long(before, now, bad):
    slow = [dict(zip(("p95_ms", "timed"), pair, strict=True)) for pair in (before, now)]
    why = said(behind(old(**slow[0]), new(**slow[1])))
    assert (why is not None) == bad
    assert why is None or f"up to {now[0]:g} ms" in why


def test_what_was_seen_of_the_version_before_is_compared_with_also_when_the_front_forgot_it():
    full = behind(old(1000, 0, p95_ms=5.0, timed=1000), new(50, 0))
    assert said(full, behind(new(100, 50)))
    assert said(full, behind(old(3, 3), new(100, 50)))
    assert said(full, behind(old(1000, 0, p95_ms=90.0, timed=120), new(500, 0, p95_ms=30.0, timed=500)))


def test_without_a_predecessor_behind_the_front_there_is_nothing_to_compare():
    assert said(behind(new(100, 100))) is None
    assert said(looked(NEW, fronts=(FrontState("scorer", NAT, "", running=True),))) is None
    assert said(looked(NEW)) is None


def test_the_version_before_is_not_judged_while_it_receives_requests_again():
    back = replace(old(100, 100), receives=True)
    assert said(behind(back, replace(new(1000, 0), receives=False))) is None


def test_what_was_noted_ends_with_the_trial():
    ledger = noted(TRIAL, TARGET, behind(old(), new()))
    assert ledger.fared["scorer"].requests == 1000
    over = settle(ledger, RollBack("it is worse"), NOON)
    assert noted(over, Target(1, "x", (OLD_SPEC,)), behind(old(), new())).fared == {}


counts = st.integers(0, 2000)
times = st.floats(0, 500, allow_nan=False)
figures = st.builds(
    lambda requests, errors, p95_ms, timed: {
        "requests": requests, "errors": min(errors, requests), "p95_ms": p95_ms if timed else None, "timed": timed,
    },
    counts, counts, times, counts,
)  # fmt: skip
trials = st.lists(st.tuples(figures, figures), min_size=1, max_size=4)


@examples(200)
@given(trials)
def test_a_candidate_is_rolled_back_for_its_requests_only_on_enough_evidence(looks):
    ledger = TRIAL
    for before, now in looks:
        observed = behind(old(**before), new(**now))
        ledger = noted(ledger, TARGET, observed)
    verdict = judge(TARGET, observed, ledger, (), 10.0, NOON)
    known = ledger.fared["scorer"]
    if isinstance(verdict, RollBack):
        fails = now["errors"] >= ENOUGH_ERRORS and now["requests"] >= ENOUGH_REQUESTS
        slow = min(now["timed"], known.timed) >= ENOUGH_TIMES and now["p95_ms"] > known.p95_ms
        assert fails or slow
        assert "with the version before it" in verdict.reason


@examples(200)
@given(trials)
def test_looking_again_at_the_same_changes_neither_ledger_nor_verdict(looks):
    ledger = TRIAL
    for before, now in looks:
        observed = behind(old(**before), new(**now))
        ledger = noted(ledger, TARGET, observed)
    again = noted(ledger, TARGET, observed)
    assert again is ledger
    assert judge(TARGET, observed, again, (), 10.0, NOON) == judge(TARGET, observed, ledger, (), 10.0, NOON)


@examples(200)
@given(figures)
def test_a_candidate_that_fares_as_the_version_before_it_is_never_rolled_back(both):
    assert said(behind(old(**both), new(**both))) is None
