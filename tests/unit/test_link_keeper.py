"""When a lost link is tried again: waits that grow, jitter and end, and never an agent that ends."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from demo.parts.waiting import until
from edgetender.errors import LinkDown
from edgetender.transports.keeper import LinkKeeper, ceiling_s
from tests.fakes.clock import NOON, FakeClock


class Bench:
    """A keeper whose waits last no time; *ceilings* are what it would have drawn from."""

    def __init__(self, attempt: Callable[[], None], *, cap_s: float = 120.0, tries: int = 12) -> None:
        self.ceilings: list[float] = []
        self.attempt, self.tries, self.changes = attempt, tries, 0
        self.clock = FakeClock()
        self.keeper = LinkKeeper(
            "test", "mqtts://broker", self._attempt, clock=self.clock, cap_s=cap_s, draw=self._draw
        )

    def _attempt(self) -> None:
        self.tries -= 1
        if self.tries < 0:
            self.keeper.closing.wait(10)
            return
        self.attempt()

    def _draw(self, low: float, high: float) -> float:
        assert low == 0
        self.ceilings.append(high)
        return 0.0

    def _changed(self) -> None:
        self.changes += 1

    def run(self) -> None:
        self.keeper.open(self._changed)
        until(lambda: self.tries < 0, "the attempts", every_s=0.005)


@pytest.fixture
def made() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(attempt: Callable[[], None], **options: float) -> Bench:
        benches.append(Bench(attempt, **options))  # type: ignore[arg-type]
        return benches[-1]

    yield make
    for bench in benches:
        bench.keeper.close(5)


def refuse() -> None:
    raise LinkDown("cannot connect: refused")


def test_the_ceiling_doubles_up_to_the_cap_and_never_overflows() -> None:
    assert [ceiling_s(failures, 120.0) for failures in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert ceiling_s(10**6, 120.0) == 120
    assert ceiling_s(1, 0.2) == 0.2


def test_waits_are_drawn_from_nothing_to_the_ceiling(made: Callable[..., Bench]) -> None:
    bench = made(refuse)
    bench.run()
    assert bench.ceilings[:9] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def back_after(outage_s: float, draw: random.Random) -> float:
    """Seconds after the far side's return until one device that lost it with all others is back."""
    now, failures = 0.0, 0
    while now < outage_s:
        failures += 1
        now += draw.uniform(0.0, ceiling_s(failures, 120.0))
    return now - outage_s


@pytest.mark.parametrize("outage_s", [60, 600, 86_400])
def test_of_a_fleet_that_lost_its_broker_at_once_few_are_back_in_any_second(outage_s: float) -> None:
    draw = random.Random(outage_s)
    back = [back_after(outage_s, draw) for _ in range(1000)]
    assert max(Counter(map(int, back)).values()) <= 0.05 * len(back)
    assert max(back) <= 120


def test_a_connection_that_ends_at_once_counts_as_a_failure(made: Callable[..., Bench]) -> None:
    bench = made(refuse)
    bench.attempt = bench.keeper.is_up
    bench.run()
    assert bench.ceilings[:4] == [1, 2, 4, 8]


def test_a_connection_that_lasted_longer_than_the_wait_starts_the_count_anew(
    made: Callable[..., Bench],
) -> None:
    def last() -> None:
        bench.keeper.is_up()
        threading.Event().wait(0.03)  # the keeper measures real time

    bench = made(last, cap_s=0.01, tries=4)
    bench.run()
    assert bench.ceilings == [0.01] * 4


def test_what_a_far_side_makes_us_raise_ends_the_connection_and_not_the_agent(
    made: Callable[..., Bench],
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    bench = made(fail, tries=3)
    bench.run()
    assert bench.keeper.link().detail == "cannot keep the link: ZeroDivisionError: a bug"


def test_the_link_says_why_it_is_down_and_since_when(made: Callable[..., Bench]) -> None:
    bench = made(refuse, tries=2)
    bench.run()
    link = bench.keeper.link()
    assert (link.connected, link.detail, link.since) == (False, "cannot connect: refused", NOON)
    assert bench.changes == 0  # it was down before


def test_each_coming_and_going_is_told_once(made: Callable[..., Bench]) -> None:
    bench = made(refuse, tries=3)
    bench.attempt = bench.keeper.is_up
    bench.run()
    assert bench.changes == 6


def test_what_is_wrong_although_the_link_stands_is_shown_only_while_it_stands(
    made: Callable[..., Bench],
) -> None:
    def attempt() -> None:
        bench.keeper.note("too early")
        assert bench.keeper.link().detail == ""
        bench.keeper.is_up()
        bench.keeper.note("the broker refused event/applied")
        seen.append(bench.keeper.link().detail)
        raise LinkDown("cut")

    seen: list[str] = []
    bench = made(attempt, tries=1)
    bench.run()
    assert seen == ["the broker refused event/applied"]
    bench.keeper.note("too late")
    assert bench.keeper.link().detail == "cut"


def test_close_ends_a_long_wait_at_once() -> None:
    tried = threading.Event()

    def attempt() -> None:
        tried.set()
        refuse()

    keeper = LinkKeeper("test", "x", attempt, clock=FakeClock(), cap_s=3600, draw=lambda _low, _high: 3600.0)
    keeper.open(lambda: None)
    assert tried.wait(60)
    keeper.close(60)
    assert not keeper._thread.is_alive()
    assert not keeper.link().connected
