"""May the candidate take over, by what it answered to copies of live requests?"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.planner import plan
from edgetender.decide.shadowing import asked_by, awaited, compared, refused
from edgetender.decide.verdict import Accept, RollBack, judge, settle
from edgetender.model.front import NAT, PROXY, FrontServer, FrontState, Member, Shadow, Shadowed
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed
from edgetender.model.plan import Compare, Point
from edgetender.model.target import Target
from edgetender.model.updating import Update
from tests.builders.effort import examples
from tests.builders.ledgers import after, container, holding, looked, resolution
from tests.builders.loops import FRONTED
from tests.builders.manifests import manifest, module
from tests.fakes.clock import NOON

WEB = {"ports": ["9000:5001"], "health": {"http": {"port": 5001}}}
ONE, TWO = manifest(1, scorer=module(**WEB)), manifest(2, scorer=module(**WEB, env={"V": "2"}))
(OLD_SPEC,), (NEW_SPEC,) = (resolution(one, hardware=FRONTED).containers for one in (ONE, TWO))
OLD, NEW = container(OLD_SPEC, address="10.77.0.2"), container(NEW_SPEC, address="10.77.0.3")
TRIAL, WANTED = holding(ONE, TWO), Shadow()
TARGET = Target(2, "x", (NEW_SPEC,), shadow=WANTED)


def serving(found: Shadowed | None, target: str = OLD.id, mechanism: str = PROXY) -> Observed:
    """Both run, live requests come to the old one; *found* is what copies to the new one showed so far."""
    assert OLD.address
    server = FrontServer(target, OLD.address, receives=True)
    assert NEW_SPEC.front_spec
    spec = NEW_SPEC.front_spec.digest
    front = FrontState(
        "scorer", mechanism, spec, running=True, target=Member(target, OLD.address), servers=(server,),
        shadowed=found,
    )  # fmt: skip
    return looked(OLD, NEW, fronts=(front,))


def after_copies(compared: int = 200, disagreed: int = 0, **more: Any) -> Shadowed:
    figures = {"since_s": 5.0, "live_p95_ms": 20.0, "copy_p95_ms": 21.0} | more
    return Shadowed(NEW.id, compared=compared, disagreed=disagreed, **figures)


def refusal(found: Shadowed, wanted: Shadow = WANTED) -> str | None:
    target = replace(TARGET, shadow=wanted)
    return refused(NEW_SPEC, target, compared(TRIAL, target, serving(found)))


def steps(ledger: Ledger, observed: Observed, target: Target = TARGET) -> list[type]:
    return [type(step) for step in plan(target, observed, ledger, NOON).steps]


def test_requests_come_to_a_candidate_after_copies_of_them_were_compared():
    assert steps(TRIAL, serving(None)) == [Compare]
    assert steps(TRIAL, serving(Shadowed("of another", 3.0))) == [Compare]
    under_way = serving(after_copies(57))
    assert steps(compared(TRIAL, TARGET, under_way), under_way) == []
    ((module, why),) = plan(TARGET, under_way, TRIAL, NOON).held
    assert (module, why) == ("scorer", "compares its answers to copies of live requests: 57 of 200")
    enough = serving(after_copies())
    assert steps(compared(TRIAL, TARGET, enough), enough) == [Point]


@pytest.mark.parametrize(
    "target",
    [replace(TARGET, shadow=None), replace(TARGET, version=1)],
    ids=["nobody asked for it", "it is no candidate"],
)
def test_without_a_comparison_wanted_it_takes_over_at_once(target: Target):
    assert steps(TRIAL, serving(None), target) == [Point]


def test_there_is_nothing_to_compare_behind_address_translation_or_without_a_predecessor():
    (nat,) = serving(None, mechanism=NAT).fronts
    assert awaited(NEW_SPEC, nat, TARGET, (OLD, NEW), TRIAL) is None
    (front,) = serving(None).fronts
    assert awaited(NEW_SPEC, front, TARGET, (NEW,), TRIAL) is None
    assert awaited(NEW_SPEC, front, TARGET, (OLD, NEW), TRIAL) == WANTED


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (after_copies(disagreed=2), None),
        (after_copies(disagreed=3, why="status 500, not 200"), "3 of 200 copies .* otherwise .status 500, not 200."),
        (after_copies(3, disagreed=3), "3 of 3 copies"),
        (after_copies(copy_p95_ms=30.0), None),
        (after_copies(copy_p95_ms=30.1), r"95 % of 200 copies .* took up to 30.1 ms, the live ones 20.0 ms"),
        (after_copies(live_p95_ms=0.3, copy_p95_ms=10.2), None),
        (after_copies(0, since_s=60.0, live_p95_ms=0.0, copy_p95_ms=0.0), None),
        (after_copies(30, since_s=60.0, copy_p95_ms=90.0), None),
    ],
    ids=[
        "one in a hundred", "more than that", "so many that the rest cannot mend it", "half as long again",
        "longer than that", "fast ones, by little", "nobody asked", "too few to say how long",
    ],
)  # fmt: skip
def test_what_speaks_against_a_candidate_is_said_in_figures(found: Shadowed, why: str | None):
    said = refusal(found)
    assert (said is None) == (why is None)
    assert said is None or re.search(str(why), said), said


def test_what_speaks_against_it_rolls_it_back_before_it_received_any_request():
    observed = serving(after_copies(disagreed=3))
    ledger = compared(TRIAL, TARGET, observed)
    verdict = judge(TARGET, observed, ledger, (), 10.0, NOON)
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith(
        "module scorer: 3 of 200 copies of live requests were answered otherwise"
    )


def test_what_was_shown_is_told_with_the_acceptance_and_forgotten_then():
    ledger = compared(TRIAL, TARGET, serving(after_copies(disagreed=1)))
    taken = serving(None, target=NEW.id)
    ledger = replace(ledger, settling_since=NOON)
    verdict = judge(TARGET, taken, ledger, (), 10.0, after(10))
    told = "scorer: 1 of 200 copies answered otherwise, 95 % within 21.0 ms (live 20.0 ms)"
    assert verdict == Accept((told,))
    ledger = settle(ledger, verdict, NOON)
    assert ledger.desired is not None
    assert ledger.desired.description == f"running; {told}"
    assert compared(ledger, TARGET, taken).compared == {}


def test_a_manifest_says_how_much_is_enough():
    assert asked_by(Update()) is None
    assert asked_by(Update.model_validate({"shadow": {}})) == Shadow()
    said = {"requests": 20, "max_disagreement": 0, "max_p95_ratio": 2, "within": "5m", "paths": ["/predict"]}
    assert asked_by(Update.model_validate({"shadow": said})) == Shadow(
        20, 0.0, 2.0, 300.0, 1e-6, ("/predict",)
    )


figures = st.builds(
    lambda compared, disagreed, since_s, live, copy: Shadowed(
        NEW.id, since_s, compared, min(compared, disagreed), 0, live, copy
    ),
    st.integers(0, 300),
    st.integers(0, 300),
    st.floats(0, 120),
    st.floats(0, 100),
    st.floats(0, 100),
)


@examples(200)
@given(st.lists(figures, min_size=1, max_size=4))
def test_it_either_takes_over_or_goes_back_once_it_is_decided_and_the_decision_stays(looks: list[Shadowed]):
    ledger = TRIAL
    for found in looks:
        before = ledger
        ledger = compared(ledger, TARGET, serving(found))
        assert before is TRIAL or ledger is before or not before.compared
    observed = serving(looks[-1])
    verdict = judge(TARGET, observed, ledger, (), 10.0, NOON)
    if not ledger.compared:
        assert not isinstance(verdict, RollBack)
        assert steps(ledger, observed) == []
    elif not isinstance(verdict, RollBack):
        assert steps(ledger, observed) == [Point]
    assert judge(TARGET, observed, compared(ledger, TARGET, observed), (), 10.0, NOON) == verdict


@examples(200)
@given(figures, figures)
def test_a_candidate_that_answers_worse_is_not_refused_less(one: Shadowed, other: Shadowed):
    better = replace(one, compared=200, disagreed=min(one.disagreed, other.disagreed, 200))
    worse = replace(better, disagreed=min(200, max(one.disagreed, other.disagreed)))
    assert refusal(better) is None or refusal(worse) is not None
