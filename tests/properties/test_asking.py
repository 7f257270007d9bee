"""What holds of whom a prober asks next: each by one thread, few threads, and who answers is not kept waiting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.readiness import AT_ONCE, SILENT_AT_ONCE, turns
from tests.builders.effort import examples

many = examples(300)
names = st.integers(0, 25).map(str)
crowds = st.sets(names)


@many
@given(st.lists(names, unique=True), crowds, crowds)
def test_nobody_is_asked_twice_at_once_and_no_more_than_there_are_threads_for(
    ripe: list[str], under_way: set[str], silent: set[str]
) -> None:
    chosen = turns(ripe, under_way, silent)
    assert set(chosen) <= set(ripe) - under_way
    assert len(chosen) == len(set(chosen)) <= max(0, AT_ONCE - len(under_way))


@many
@given(st.lists(names, unique=True), crowds)
def test_those_known_to_be_silent_leave_threads_for_all_others(ripe: list[str], silent: set[str]) -> None:
    under_way: set[str] = set()
    for _ in range(4):  # while nobody else is due, and none of them answers
        under_way.update(turns([one for one in ripe if one in silent], under_way, silent))
    assert len(under_way) == min(SILENT_AT_ONCE, len(set(ripe) & silent))
    others = [one for one in ripe if one not in silent]
    assert turns(ripe, under_way, silent) == others[: AT_ONCE - len(under_way)]


@many
@given(st.lists(names, unique=True, min_size=1), crowds)
def test_the_silent_are_asked_in_turn_too_where_nobody_is_being_asked(
    ripe: list[str], silent: set[str]
) -> None:
    assert turns(ripe, set(), silent)
    waited_longest = [one for one in ripe if one in silent][:1]
    if len(ripe) <= AT_ONCE:
        assert set(waited_longest) <= set(turns(ripe, set(), silent))
