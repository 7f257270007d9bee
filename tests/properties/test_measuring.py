"""Laws of choosing the quickest: whoever is chosen, nobody is better by what the manifest asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.fingerprint import fingerprint
from edgetender.decide.look import look_at
from edgetender.decide.measuring import MEASURING, Entrant, part_of, preferred
from edgetender.decide.variants import Known, judged
from edgetender.model.ledger import Measured
from edgetender.model.manifest import Module
from tests.builders.effort import examples
from tests.builders.hardware import machine, variant
from tests.fakes.clock import NOON

times = st.one_of(st.none(), st.floats(1e-4, 10))
figures = times.map(lambda p95: Measured(p95, "f", NOON))
gains = st.floats(0, 0.9)
measured = st.lists(st.builds(Entrant, figures, st.booleans()), min_size=1, max_size=6)
any_of_them = st.lists(st.builds(Entrant, st.none() | figures, st.booleans()), min_size=1, max_size=6)


def p95(entrant: Entrant) -> float | None:
    return entrant.figure.p95_s if entrant.figure is not None else None


@examples(300)
@given(measured, gains)
def test_nobody_beats_the_chosen_one_and_somebody_beats_each_before_it(entrants, gain):
    place, measuring = preferred(entrants, gain)
    assert not measuring
    known = [one for one in map(p95, entrants) if one is not None]
    mine = p95(entrants[place])
    assert (mine is None) == (not known)
    if mine is None:
        return
    best = min(known)
    assert best == mine or best > mine * (1 - gain)
    before = [one for one in map(p95, entrants[:place]) if one is not None]
    assert all(best <= one * (1 - gain) and best < one for one in before)


@examples(200)
@given(any_of_them, gains, st.none() | st.integers(0, 5))
def test_whoever_can_be_measured_is_before_anything_is_decided_and_what_runs_first(entrants, gain, running):
    place, measuring = preferred(entrants, gain, running)
    waiting = [n for n, one in enumerate(entrants) if one.figure is None and one.there]
    assert measuring == bool(waiting)
    if waiting:
        assert place == (running if running in waiting else waiting[0])


@examples(200)
@given(measured, gains, st.floats(1.0, 5.0))
def test_a_slower_one_at_the_end_of_the_list_changes_nothing(entrants, gain, factor):
    slowest = max((one for one in map(p95, entrants) if one is not None), default=None)
    if slowest is None:
        return
    more = [*entrants, Entrant(Measured(slowest * factor, "f", NOON))]
    assert preferred(more, gain) == preferred(entrants, gain)


@examples(200)
@given(st.lists(st.none() | times, min_size=1, max_size=6), st.integers(2, 8), st.data())
def test_figures_decide_only_which_of_those_that_can_run_is_the_chosen_one(found, candidates, data):
    look = look_at(machine(x86_level="v3", cpu_features=("avx2",)))
    fits = [data.draw(st.booleans()) for _ in found]
    many = [variant(f"v{n}", {} if one else {"cores": 4096}) for n, one in enumerate(fits)]
    ranked = Module.model_validate({"variants": many})
    module = Module.model_validate(
        {"variants": many, "select": {"mode": "measured", "candidates": candidates}}
    )
    mark = fingerprint(look, part_of(()))
    known = Known(
        figures={
            each.image: Measured(one, mark, NOON)
            for each, one in zip(module.variants, found, strict=True)
            if data.draw(st.booleans())
        }
    )
    by_list, by_figures = judged("m", ranked, look, known), judged("m", module, look, known)
    can = ("chosen", "eligible")
    assert [one.verdict in can for one in by_list] == [one.verdict in can for one in by_figures]
    chosen = [one for one in by_figures if one.verdict == "chosen"]
    assert len(chosen) == (1 if any(fits) else 0)
    for one in chosen:
        assert one.variant in [each.variant for each in by_list if each.verdict in can][:candidates]
        assert (one.code == MEASURING) <= (one.variant.image not in known.figures)
