"""Figures every interval: rates from totals, and an engine that is away costs its own stream only."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from demo.parts.waiting import until
from edgetender.errors import EngineDown
from edgetender.model.figures import ContainerFigures
from edgetender.model.front import FrontServer, FrontState
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed, Status
from edgetender.sampler import Sampler
from edgetender.snapshot import Snapshot
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.engine import FakeEngine

SCORER = Container("c1", "edgetender-scorer", "scorer", "spec", 7, "image", Status.RUNNING)
STOPPED = replace(SCORER, id="c2", module="cleaner", status=Status.EXITED)


class MeasuredEngine(FakeEngine):
    """Answers *cpu_seconds*, or what *cpu_of* says by id, of what it is asked for; remembers the question."""

    cpu_seconds = 10.0
    cpu_of: Mapping[str, float] = MappingProxyType({})
    asked: tuple[str, ...] = ()

    def figures(self, containers: Any) -> tuple[ContainerFigures, ...]:
        self._raise_if_down()
        self.asked = tuple(one.module for one in containers)
        return tuple(
            ContainerFigures(one.module, self.cpu_of.get(one.id, self.cpu_seconds), 4096, 8192, 1, 2)
            for one in containers
        )


class Kept:
    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []

    def take(self, stream: str, sample: dict[str, Any], now: datetime) -> None:
        self.taken.append((stream, sample))

    def streams(self) -> list[str]:
        return [stream for stream, _ in self.taken]


class Bench:
    def __init__(self) -> None:
        self.clock, self.engine, self.sinks = FakeClock(), MeasuredEngine(), (Kept(), Kept())
        self.snapshot: Snapshot | None = Snapshot(
            NOON,
            "line3-cam7",
            "0.1.0",
            NOON,
            ledger=Ledger(restarts={"scorer": 2}),
            observed=Observed(containers=(SCORER, STOPPED)),
        )
        self.stopping = threading.Event()
        self.sampler = Sampler(
            lambda: {"cpuRatio": 0.5},
            self.engine,
            self.sinks,
            lambda: self.snapshot,
            self.clock,
            60.0,
            self.stopping,
        )


def test_every_sink_gets_every_stream() -> None:
    bench = Bench()
    bench.sampler.sample()
    assert [sink.streams() for sink in bench.sinks] == [["device", "modules"]] * 2
    assert bench.sinks[0].taken[0] == ("device", {"cpuRatio": 0.5})
    module = bench.sinks[0].taken[1][1]["modules"]["scorer"]
    assert (module["cpuSeconds"], module["memoryBytes"], module["restarts"]) == (10.0, 4096, 2)


def test_only_containers_that_run_are_measured() -> None:
    bench = Bench()
    bench.sampler.sample()
    assert bench.engine.asked == ("scorer",)


def test_cpu_is_the_mean_since_the_sample_before() -> None:
    bench = Bench()
    bench.sampler.sample()
    assert bench.sampler.latest() == {"scorer": (0.0, 4096)}
    bench.clock.advance(10)
    bench.engine.cpu_seconds = 25.0
    bench.sampler.sample()
    assert bench.sampler.latest() == {"scorer": (1.5, 4096)}


def test_requests_are_counted_per_second_between_looks_however_often_samples_are_taken() -> None:
    bench = Bench()

    def looked(requests: int) -> None:
        behind = FrontServer("c1", "172.31.0.9", True, requests=requests, errors=0)
        front = FrontState("scorer", "proxy", "spec", True, servers=(behind,))
        assert bench.snapshot is not None
        observed = Observed(containers=(SCORER,), fronts=(front,))
        bench.snapshot = replace(bench.snapshot, at=bench.clock.now(), observed=observed)

    looked(0)
    rates = []
    for second in range(1, 65):
        bench.sampler.sample()
        bench.clock.advance(1)
        if second % 30 == 0:
            looked(second * 4)
        rates.append(bench.sinks[0].taken[-1][1]["modules"]["scorer"]["requestsPerSecond"])
    assert set(rates[:30]) == {0.0}
    assert set(rates[30:]) == {4.0}


def test_a_container_made_anew_counts_from_zero_without_a_negative_rate() -> None:
    bench = Bench()
    bench.sampler.sample()
    bench.clock.advance(10)
    bench.engine.cpu_seconds = 1.0
    bench.sampler.sample()
    assert bench.sampler.latest() == {"scorer": (0.0, 4096)}


def test_while_two_containers_of_a_module_run_it_has_what_both_use_and_no_rate_of_one_against_the_other() -> (
    None
):
    bench = Bench()
    assert bench.snapshot is not None
    alone = bench.snapshot
    both = replace(alone, observed=Observed(containers=(SCORER, replace(SCORER, id="new"))))
    bench.engine.cpu_of = {"c1": 1000.0, "new": 0.0}
    rates = []
    for used, seen in ((0.0, alone), (2.0, both), (4.0, both), (5.0, alone), (5.0, alone)):
        bench.clock.advance(10)
        bench.engine.cpu_of = {"c1": 1000.0 + used, "new": used}
        bench.snapshot = seen
        bench.sampler.sample()
        rates.append(bench.sampler.latest()["scorer"])
    assert rates == [(0.0, 4096), (0.4, 8192), (0.4, 8192), (0.0, 4096), (0.0, 4096)]
    modules = [said["modules"]["scorer"] for stream, said in bench.sinks[0].taken if stream == "modules"]
    assert [one["cpuSeconds"] for one in modules] == [1000.0, 1004.0, 1008.0, 1005.0, 1005.0]
    assert [one["memoryLimitBytes"] for one in modules] == [8192, 16384, 16384, 8192, 8192]


def test_a_wall_clock_that_jumps_does_not_bend_the_rate() -> None:
    bench = Bench()
    bench.sampler.sample()
    bench.clock.advance(10)
    bench.clock.set(datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    bench.engine.cpu_seconds = 15.0
    bench.sampler.sample()
    assert bench.sampler.latest()["scorer"][0] == 0.5


def test_an_engine_that_does_not_answer_costs_the_modules_stream_alone() -> None:
    bench = Bench()
    bench.engine.down = "it is stopped"
    bench.sampler.sample()
    assert bench.sinks[0].streams() == ["device"]


def test_an_engine_known_to_be_down_is_not_asked() -> None:
    bench = Bench()
    assert bench.snapshot is not None
    bench.snapshot = replace(bench.snapshot, engine_down=str(EngineDown("no answer")))
    bench.sampler.sample()
    assert bench.sinks[0].streams() == ["device"]
    assert bench.engine.asked == ()


def test_what_was_measured_before_the_engine_went_away_is_not_shown_as_now() -> None:
    bench = Bench()
    bench.sampler.sample()
    bench.engine.down = "it is stopped"
    bench.sampler.sample()
    assert bench.sampler.latest() == {}


def test_before_the_first_cycle_there_are_figures_of_the_device() -> None:
    bench = Bench()
    bench.snapshot = None
    bench.sampler.sample()
    assert bench.sinks[0].streams() == ["device"]


def test_stopping_does_not_wait_for_the_next_interval() -> None:
    bench = Bench()
    thread = threading.Thread(target=bench.sampler.work, daemon=True)
    thread.start()
    until(lambda: bench.sinks[1].streams() == ["device", "modules"], "a sample")
    bench.stopping.set()
    thread.join(60)
    assert not thread.is_alive()
