"""Asking containers whether they are ready: when, whom, and what the answers come to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Self

from demo.parts.waiting import until
from edgetender.clock import SystemClock
from edgetender.decide.readiness import AT_ONCE
from edgetender.model.observed import Health, Readiness
from edgetender.model.target import HealthSpec
from edgetender.prober import Prober, Subject
from tests.fakes.clock import NOON, FakeClock

SPEC = HealthSpec(port=5001, path="/ready", interval_s=5.0, timeout_s=2.0, failures=3, deadline_s=120.0)
SCORER = Subject("c1", "172.17.0.2", NOON, SPEC)


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.refusals: dict[str, str] = {}  # address -> why not ready
        self.asked: list[tuple[str, int, str, float]] = []
        self.during: Callable[[], None] = lambda: None
        self.wakes = 0
        self.prober = Prober(self._probe, self.clock, self._wake)

    def _probe(self, address: str, port: int, path: str, timeout_s: float) -> str | None:
        self.asked.append((address, port, path, timeout_s))
        self.during()
        return self.refusals.get(address)

    def _wake(self) -> None:
        self.wakes += 1

    def run(self, seconds: float, *, step_s: float = 0.1) -> None:
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            self.prober.ask_due()

    def readiness(self, subject: Subject = SCORER) -> Readiness:
        return self.prober.health(subject.container, subject.started_at).readiness


def test_a_container_is_asked_where_and_how_its_manifest_says() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.prober.ask_due()
    assert bench.asked == [("172.17.0.2", 5001, "/ready", 2.0)]
    assert bench.readiness() is Readiness.READY


def test_nothing_is_known_of_a_container_before_it_was_asked_or_after_it_was_started_again() -> None:
    bench = Bench()
    assert bench.prober.health("c1", NOON) == Health()
    bench.prober.watch([SCORER])
    assert bench.readiness() is Readiness.UNKNOWN
    bench.prober.ask_due()
    assert bench.prober.health("c1", NOON + timedelta(seconds=1)) == Health()
    again = replace(SCORER, started_at=NOON + timedelta(seconds=1))
    bench.prober.watch([again])
    assert bench.readiness(again) is Readiness.UNKNOWN


def test_a_container_that_starts_is_asked_often_and_then_at_its_interval() -> None:
    bench = Bench()
    bench.refusals["172.17.0.2"] = "connection refused"
    bench.prober.watch([SCORER])
    bench.run(2)
    assert len(bench.asked) >= 15
    bench.refusals.clear()
    bench.run(1)
    bench.asked.clear()
    bench.run(20)
    assert len(bench.asked) == 4


def test_one_that_loads_long_is_failing_only_after_its_deadline() -> None:
    bench = Bench()
    bench.refusals["172.17.0.2"] = "503: the model is loading"
    bench.prober.watch([SCORER])
    bench.run(119, step_s=1)
    assert bench.readiness() is Readiness.UNKNOWN
    assert bench.prober.health("c1", NOON).detail == "503: the model is loading"
    bench.run(6, step_s=1)
    assert bench.readiness() is Readiness.FAILING


def test_one_that_was_ready_is_failing_after_as_many_refusals_as_its_manifest_says() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.prober.ask_due()
    bench.refusals["172.17.0.2"] = "timed out"
    bench.run(5)  # the first refusal comes at the interval, the next ones at most a second apart
    assert bench.readiness() is Readiness.READY
    bench.run(2.5)
    assert bench.readiness() is Readiness.FAILING
    bench.refusals.clear()
    bench.run(5)
    assert bench.readiness() is Readiness.READY


def test_the_loop_is_woken_when_readiness_changes_and_not_at_every_answer() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.run(30)
    assert bench.wakes == 1
    bench.refusals["172.17.0.2"] = "timed out"
    bench.run(30)
    assert bench.wakes == 2


def test_who_is_no_longer_watched_is_not_asked() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.prober.watch([])
    bench.run(10)
    assert bench.asked == []
    assert bench.readiness() is Readiness.UNKNOWN


def test_the_answer_of_a_container_that_is_gone_meanwhile_is_dropped() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.during = lambda: bench.prober.watch([])
    bench.prober.ask_due()
    assert bench.prober.health("c1", NOON) == Health()
    assert bench.wakes == 0


def test_the_answer_from_before_a_restart_does_not_count_for_after_it() -> None:
    bench = Bench()
    again = replace(SCORER, started_at=NOON + timedelta(seconds=1))
    bench.prober.watch([SCORER])
    bench.during = lambda: bench.prober.watch([again])
    bench.prober.ask_due()
    assert bench.readiness(again) is Readiness.UNKNOWN


def test_a_new_interval_counts_without_asking_anew_and_keeps_what_is_known() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.prober.ask_due()
    bench.prober.watch([replace(SCORER, spec=replace(SPEC, interval_s=1.0))])
    assert bench.readiness() is Readiness.READY
    bench.run(5)
    bench.asked.clear()
    bench.run(5)
    assert len(bench.asked) == 5


def test_another_question_is_asked_anew_and_has_the_whole_deadline_to_be_answered() -> None:
    bench = Bench()
    bench.prober.watch([SCORER])
    bench.run(300)
    assert bench.readiness() is Readiness.READY
    bench.refusals["172.17.0.2"] = "GET /v2 on port 5001 answered 404"
    bench.prober.watch([replace(SCORER, spec=replace(SPEC, path="/v2", deadline_s=3.0))])
    assert bench.readiness() is Readiness.UNKNOWN
    bench.run(2)
    assert bench.readiness() is Readiness.UNKNOWN
    bench.run(2)
    assert bench.readiness() is Readiness.FAILING


def test_a_wall_clock_set_forward_fails_nobody() -> None:
    bench = Bench()
    bench.refusals["172.17.0.2"] = "503: the model is loading"
    bench.prober.watch([SCORER])
    bench.run(1)
    bench.clock.set(NOON + timedelta(days=20_000))
    bench.run(10)
    assert bench.readiness() is Readiness.UNKNOWN


def test_its_thread_asks_a_newcomer_at_once_and_ends_at_once() -> None:
    bench = Bench()
    thread = threading.Thread(target=bench.prober.work, daemon=True)
    thread.start()
    bench.prober.watch([SCORER])
    until(lambda: bench.readiness() is Readiness.READY, "an answer")
    bench.prober.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_prober_closed_before_its_thread_runs_ends_at_once() -> None:
    """The flag that ends it must not be lost to the clearing of the one that wakes it."""
    bench = Bench()
    bench.prober.close()
    bench.prober.work()
    closing = Bench()
    closing.prober.watch([SCORER])
    closing.during = closing.prober.close
    closing.prober.work()
    assert len(closing.asked) == 1


class Hanging:
    """A prober on its own threads and the real clock: who is in *hung* answers nothing before its time is up."""

    def __init__(self, *hung: str, timeout_s: float) -> None:
        self.hung, self.timeout_s = hung, timeout_s
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.asked: list[str] = []
        self.at_once: list[str] = []  # who is being asked
        self.most = 0
        self.twice = self.broken = False
        self.prober = Prober(self._probe, SystemClock(), lambda: None)
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def _probe(self, address: str, _port: int, _path: str, timeout_s: float) -> str | None:
        with self.lock:
            self.asked.append(address)
            self.twice |= address in self.at_once
            self.at_once.append(address)
            self.most = max(self.most, len(self.at_once))
        if self.broken:
            raise ZeroDivisionError
        late = address in self.hung and not self.released.wait(timeout_s)
        with self.lock:
            self.at_once.remove(address)
        return "timed out" if late else None

    def times(self, address: str) -> int:
        with self.lock:
            return self.asked.count(address)

    def _work(self) -> None:
        try:
            self.prober.work()
        except ZeroDivisionError as error:
            self.error = error
        self.ended.set()

    def __enter__(self) -> Self:
        spec = HealthSpec(port=5001, path="/", interval_s=0.02, timeout_s=self.timeout_s)
        self.prober.watch([Subject(one, one, SystemClock().now(), spec) for one in (*self.hung, "well")])
        threading.Thread(target=self._work, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.prober.close()
        assert self.ended.wait(60)
        self.released.set()


def test_containers_that_hang_delay_nobody_who_answers():
    with Hanging("h1", "h2", "h3", timeout_s=300) as bench:
        until(lambda: bench.times("well") >= 5, "five questions to the one that answers")
        assert [bench.times(one) for one in bench.hung] == [1, 1, 1]


def test_many_that_hang_take_turns_on_few_threads_and_each_is_asked_by_one_at_a_time():
    with Hanging(*[f"h{number}" for number in range(20)], timeout_s=0.1) as bench:
        until(lambda: all(bench.times(one) >= 2 for one in bench.hung), "two questions to each that hangs")
        assert bench.times("well") > max(bench.times(one) for one in bench.hung)
        assert bench.most <= AT_ONCE
        assert not bench.twice


def test_no_thread_is_started_once_it_asks_and_none_stays_behind_it():
    """One that is started while memory is short may hang whoever starts it."""
    with Hanging("h1", timeout_s=0.05) as bench:
        until(lambda: bench.times("well") >= 1, "a question")
        before = set(threading.enumerate())
        until(lambda: bench.times("h1") >= 3 and bench.times("well") >= 9, "more questions")
        assert not {one for one in threading.enumerate() if one.name.startswith("prober-")} - before
    until(
        lambda: not [t for t in threading.enumerate() if t.name.startswith("prober-")],
        "an end of all threads",
    )


def test_what_breaks_on_a_thread_that_asks_ends_the_one_that_has_it_ask():
    bench = Hanging(timeout_s=1.0)
    bench.broken = True
    with bench:
        assert bench.ended.wait(60)
    assert isinstance(bench.error, ZeroDivisionError)
