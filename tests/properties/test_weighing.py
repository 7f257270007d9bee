"""What holds of every course of a candidate's memory: what is within bounds is never held against it, what lasts is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.weighing import (
    CLOSE,
    LASTS,
    MORE_BYTES,
    TIMES_MORE,
    in_doubt,
    on_scales,
    too_heavy,
    weighed,
)
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed
from edgetender.model.target import Target
from tests.builders.effort import examples
from tests.builders.ledgers import container, holding, looked, resolution
from tests.builders.manifests import manifest, module
from tests.fakes.clock import NOON

MIB = 1024 * 1024
many = examples(200)
sizes = st.integers(0, 2048 * MIB)
courses = st.lists(
    st.tuples(st.integers(0, 3000), sizes), min_size=1, max_size=12
)  # after so many ms, so much


class Trial:
    """A candidate of one module that takes over from another version, with a limit of memory or without."""

    def __init__(self, limit_mib: int | None) -> None:
        one = manifest(1, scorer=module())
        limit = {"resources": {"memory": f"{limit_mib}MiB"}} if limit_mib else {}
        two = manifest(2, scorer=module(env={"V": "2"}, **limit))
        (self.old,), (self.new,) = (resolution(each).containers for each in (one, two))
        self.ledger, self.target, self.now = holding(one, two), Target(2, "x", (self.new,)), NOON

    def look(self, after_ms: int, new_bytes: int, *before_bytes: int) -> str | None:
        """What is held against it, *after_ms* later, when so much is taken."""
        self.now += timedelta(milliseconds=after_ms)
        there = [container(self.new), *(container(self.old) for _ in before_bytes)]
        taken = dict(zip((one.id for one in there), (new_bytes, *before_bytes), strict=True))
        self.ledger = weighed(self.ledger, self.target, looked(*there), taken, self.now)
        return too_heavy(self.new, self.ledger)

    def most(self, before_bytes: int) -> float:
        if self.new.memory_bytes is not None:
            return CLOSE * self.new.memory_bytes
        return max(TIMES_MORE * before_bytes, before_bytes + MORE_BYTES)


@many
@given(st.none() | st.integers(6, 1024), st.integers(1, 512 * MIB), courses)
def test_what_is_within_bounds_is_never_held_against_it(limit, before, course):
    trial = Trial(limit)
    most = int(trial.most(before))
    for after_ms, taken in course:
        assert trial.look(after_ms, min(taken, most - 1), before) is None


@many
@given(st.none() | st.integers(6, 1024), st.integers(1, 512 * MIB), courses)
def test_it_is_held_against_it_if_and_only_if_it_took_too_much_at_each_look_for_two_seconds(
    limit, before, course
):
    trial = Trial(limit)
    since = None
    for after_ms, taken in course:
        said = trial.look(after_ms, taken, before)
        since = (since or trial.now) if taken >= trial.most(before) else None
        assert (said is not None) == (since is not None and trial.now - since >= LASTS)


@many
@given(courses)
def test_without_a_limit_and_without_a_version_before_nothing_is_too_much(course):
    trial = Trial(None)
    for after_ms, taken in course:
        assert trial.look(after_ms, taken) is None


@many
@given(st.lists(st.integers(0, 512 * MIB), min_size=1, max_size=8), sizes)
def test_the_version_before_counts_with_about_the_most_it_took_also_when_it_is_gone(course, taken):
    trial = Trial(None)
    for before in course:
        trial.look(0, 0, before)
    known = trial.ledger.weighed["scorer"].before_bytes
    assert known <= max(course) <= known * 1.05 or max(course) == known == 0
    trial.look(0, taken)
    assert trial.ledger.weighed["scorer"].before_bytes == known


@many
@given(courses, st.integers(1, 64 * MIB))
def test_another_variant_is_not_held_against_the_one_before(course, before):
    """CUDA alone takes 300 MiB of a process that took 36 on the CPU (seen on an H100)."""
    trial = Trial(None)
    trial.old = replace(trial.old, variant="cpu")
    for after_ms, taken in course:
        assert trial.look(after_ms, taken, before) is None


def test_only_what_is_on_trial_is_weighed():
    trial = Trial(64)
    unchanged: Container = container(trial.new, version=1)
    assert on_scales(trial.target, looked(unchanged), trial.ledger) == ()
    assert on_scales(trial.target, looked(container(trial.old)), trial.ledger) != ()
    assert on_scales(trial.target, looked(container(trial.old)), Ledger()) == ()
    assert on_scales(trial.target, Observed(), trial.ledger) == ()
    assert weighed(trial.ledger, trial.target, Observed(), {}, NOON) == trial.ledger


def test_a_peak_puts_acceptance_off_until_it_is_over_or_held_against_it_and_not_for_ever():
    def seconds(after: float) -> bool:
        return in_doubt(trial.ledger, trial.now + timedelta(seconds=after))

    trial = Trial(64)
    assert trial.look(0, 64 * MIB) is None
    assert (seconds(0), seconds(9), seconds(10)) == (True, True, False), "the engine says no more"
    trial.look(1000, 10 * MIB)
    assert not seconds(0)
    trial.look(1000, 64 * MIB)
    assert trial.look(2000, 64 * MIB) is not None
    assert not seconds(0)
