"""A day in five-minute buckets: what is remembered, for how long, and how requests are counted through fronts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.buckets import BUCKETS
from edgetender.decide.device_trends import DeviceDay, device_document, with_device
from edgetender.decide.serving import Tally, served
from edgetender.decide.trends import modules_document, with_sample, with_states
from edgetender.model.figures import Served
from edgetender.model.front import FrontServer, FrontState, Member
from tests.fakes.clock import NOON

SAMPLE = {"cpuRatio": 0.5, "memoryBytes": 100}
ASKED = SAMPLE | {
    "requestsPerSecond": 10.0,
    "errorsPerSecond": 1.0,
    "meanMilliseconds": 4.0,
    "p95Milliseconds": 7.0,
}
BUSY = ASKED | {
    "requestsPerSecond": 30.0,
    "memoryBytes": 300,
    "meanMilliseconds": 2.0,
    "p95Milliseconds": 9.0,
}


def test_a_bucket_keeps_the_worst_state_the_means_and_the_peaks() -> None:
    day = with_states({}, {"scorer": "running"}, NOON)
    day = with_states(day, {"scorer": "unhealthy"}, NOON + timedelta(seconds=20))
    day = with_states(day, {"scorer": "running"}, NOON + timedelta(seconds=40))
    day = with_sample(with_sample(day, {"scorer": ASKED}, NOON), {"scorer": BUSY}, NOON)
    said = modules_document(day, NOON)["scorer"]
    assert {key: values[-1] for key, values in said.items()} == {
        "state": "unhealthy", "cpu": 0.5, "memoryBytes": 300,
        "requestsPerSecond": 20.0, "errorsPerSecond": 1.0, "meanMilliseconds": 4.0,
        "p95Milliseconds": 9.0,
    }  # fmt: skip
    assert {values[0] for values in said.values()} == {None}


def test_what_nobody_counts_is_null_and_not_nothing() -> None:
    said = modules_document(with_sample({}, {"scorer": SAMPLE}, NOON), NOON)["scorer"]
    unknown = ("requestsPerSecond", "errorsPerSecond", "meanMilliseconds", "p95Milliseconds")
    assert (said["cpu"][-1], *(said[key][-1] for key in unknown)) == (0.5, None, None, None, None)


moments = st.lists(
    st.integers(-20_000, 20_000).map(lambda days: NOON + timedelta(days=days, seconds=days % 7))
)


@given(moments)
def test_however_the_clock_is_set_a_day_is_kept_and_no_more(times: list[datetime]) -> None:
    day: dict[int, object] = {}
    for at in times:
        day = with_states(day, {"scorer": "running"}, at)  # type: ignore[arg-type, assignment]
        assert len(day) <= BUCKETS
        states = modules_document(day, at)["scorer"]["state"]  # type: ignore[arg-type]
        assert len(states) == BUCKETS
        assert states[-1] == "running"


def front(*servers: tuple[str, int, int]) -> FrontState:
    told = tuple(
        FrontServer(name, "172.31.0.9", True, requests=new, errors=bad) for name, new, bad in servers
    )
    return FrontState(
        "scorer", "proxy", "spec", True, target=Member(servers[-1][0], "172.31.0.9"), servers=told
    )


def test_requests_go_on_being_counted_when_the_container_or_the_front_is_another() -> None:
    tally, first = served(Tally(), [front(("old", 100, 2))], 0.0)
    tally, both = served(tally, [front(("old", 110, 2), ("new", 5, 1))], 10.0)
    tally, alone = served(tally, [front(("new", 25, 1))], 20.0)
    _, again = served(tally, [front(("new", 7, 0))], 30.0)  # the front was restarted
    assert first["scorer"] == Served(100, 2)
    assert both["scorer"] == Served(115, 3, 1.5, 0.1)
    assert alone["scorer"] == Served(135, 3, 2.0, 0.0)
    assert again["scorer"] == Served(142, 3, 0.7, 0.0)


def test_times_are_those_of_the_container_that_requests_go_to() -> None:
    before, now = (
        FrontServer("a", "172.31.0.9", False, 0, 9.0, 1, 0, 90.0, 250.0, 10),
        front(("b", 5, 0)).servers[0],
    )
    behind = replace(front(("b", 5, 0)), servers=(before, replace(now, mean_ms=4.0, p95_ms=9.0, timed=100)))
    found = served(Tally(), [behind], 0.0)[1]["scorer"]
    assert (found.mean_ms, found.p95_ms) == (4.0, 9.0)


def test_a_front_that_cannot_be_asked_for_a_while_costs_no_count() -> None:
    tally, _ = served(Tally(), [front(("c", 100, 0))], 0.0)
    silent = replace(front(("c", 0, 0)), servers=(), answers=False)
    tally, nothing = served(tally, [silent], 10.0)
    _, later = served(tally, [front(("c", 130, 0))], 20.0)
    assert nothing == {}
    assert later["scorer"].requests == 130


def test_a_front_that_cannot_count_has_no_figures() -> None:
    uncounted = FrontState("scorer", "nat", "spec", True, servers=(FrontServer("c", "172.31.0.9", True),))
    assert served(Tally(), [uncounted], 0.0)[1] == {}


DEVICE = {
    "cpuRatio": 0.2,
    "memoryTotalBytes": 800,
    "memoryAvailableBytes": 300,
    "temperatureCelsius": {"cpu/0": 40.0, "nvme/0": 52.5},
    "gpus": {"GPU-1": {"utilizationRatio": 0.9, "memoryUsedBytes": 70, "temperatureCelsius": 61}},
}


def last(series: dict[str, list[object]]) -> dict[str, object]:
    return {key: values[-1] for key, values in series.items()}


def test_of_the_device_and_each_gpu_the_mean_of_the_work_and_the_peaks_are_kept() -> None:
    day = with_device({}, DEVICE, NOON)
    day = with_device(
        day,
        DEVICE | {"cpuRatio": 0.4, "memoryAvailableBytes": 100, "temperatureCelsius": {}, "gpus": {}},
        NOON,
    )
    said = device_document(day, NOON)
    assert last(said["device"]) == {"busy": 0.3, "memoryBytes": 700, "celsius": 52.5}
    assert {name: last(one) for name, one in said["gpus"].items()} == {
        "GPU-1": {"busy": 0.9, "memoryBytes": 70, "celsius": 61}
    }
    assert {values[0] for values in said["device"].values()} == {None}


def test_what_a_device_cannot_say_is_null() -> None:
    assert device_document({}, NOON) == {"device": None, "gpus": {}}
    said = device_document(with_device({}, {"gpus": {"GPU-1": {}}}, NOON), NOON)
    assert (
        last(said["device"])
        == last(said["gpus"]["GPU-1"])
        == dict.fromkeys(("busy", "memoryBytes", "celsius"))
    )


@given(moments)
def test_of_a_device_too_a_day_is_kept_and_no_more(times: list[datetime]) -> None:
    day: DeviceDay = {}
    for at in times:
        day = with_device(day, DEVICE, at)
        assert len(day) <= BUCKETS
        assert device_document(day, at)["device"]["busy"][-1] == pytest.approx(0.2)
