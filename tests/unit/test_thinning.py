"""Which samples cost a device its data plan, and how much of it?"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from edgetender.decide.documents import module_sample
from edgetender.model.figures import ContainerFigures, Served
from edgetender.model.upstream import Message
from edgetender.sinks.upstream import UpstreamSink
from edgetender.thinning import Thinned
from tests.fakes.clock import NOON, FakeClock

MIB = 1024 * 1024
REST = {
    "cpuRatio": 0.05,
    "cpuCount": 4,
    "load1": 0.1,
    "memoryTotalBytes": 4096 * MIB,
    "memoryAvailableBytes": 2000 * MIB,
    "diskTotalBytes": 30_000 * MIB,
    "diskFreeBytes": 12_000 * MIB,
    "temperatureCelsius": {"cpu_thermal/0": 48.0},
    "bootedAt": 1_790_000_000,
    "agent": {"memoryBytes": 60 * MIB, "cpuSeconds": 10.0},
}


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.clock = FakeClock()
        self.thinned = Thinned(self, self.clock, 3600.0)

    def take(self, stream: str, sample: dict[str, Any], now: datetime) -> None:
        self.taken.append(sample)

    def see(self, **changes: Any) -> int:
        """How many were told after a minute in which these changed."""
        self.clock.advance(60)
        self.thinned.take("device", REST | changes, NOON)
        return len(self.taken)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        ({"cpuRatio": 0.24}, {"cpuRatio": 0.26}),
        ({"temperatureCelsius": {"cpu_thermal/0": 50.9}}, {"temperatureCelsius": {"cpu_thermal/0": 51.0}}),
        ({"memoryAvailableBytes": 1600 * MIB}, {"memoryAvailableBytes": 1400 * MIB}),
        ({"agent": {"memoryBytes": 75 * MIB, "cpuSeconds": 999.0}}, {"agent": {"memoryBytes": 76 * MIB, "cpuSeconds": 0}}),
        ({"load1": 1.0}, {"load1": 1.2}),
        ({}, {"diskFreeBytes": None}),
        ({}, {"temperatureCelsius": {}}),
        ({}, {"cpuCount": 3}),
    ],
)  # fmt: skip
def test_a_sample_goes_up_when_a_figure_left_its_band(near: dict[str, Any], far: dict[str, Any]) -> None:
    kept = Kept()
    assert kept.see() == 1
    assert kept.see(**near) == 1
    assert kept.see(**far) == 2
    assert kept.see(**far) == 2


def test_a_figure_that_swings_around_an_edge_is_told_once() -> None:
    kept = Kept()
    kept.see()
    assert [kept.see(cpuRatio=0.19 + 0.07 * (number % 2)) for number in range(20)][-1] == 2


def test_streams_are_told_each_for_itself_and_a_clock_that_is_set_hurries_nothing() -> None:
    kept = Kept()
    kept.see()
    kept.thinned.take("modules", {"modules": {}}, NOON)
    assert len(kept.taken) == 2
    kept.clock.set(datetime.fromisoformat("2031-01-01T00:00:00+00:00"))
    assert kept.see() == 2


class Wire:
    """An outbox that counts what a broker would be sent of it, as MQTT 5 says it."""

    def __init__(self) -> None:
        self.messages = self.bytes = 0

    def append(self, topic: str, body: bytes, now: datetime, **_: Any) -> bool:
        message = Message(f"edgetender/v1/line3-cam7/{topic}", body)
        properties = (
            len("application/json; charset=utf-8") + 3 + 5 + 2
        )  # content type, expiry, payload format
        self.messages += 1
        self.bytes += (
            5 + 2 + len(message.topic) + 2 + 1 + properties + len(body) + 4
        )  # and its acknowledgement
        return True


def month(*, report: str) -> Wire:
    """A device at rest with two modules for 30 days of samples: figures that shake, totals that grow."""
    rng, wire, clock = random.Random(7), Wire(), FakeClock()
    sink: Any = UpstreamSink(wire)  # type: ignore[arg-type]
    if report == "changes":
        sink = Thinned(sink, clock, 3600.0)
    scorer = ContainerFigures("scorer", 0.0, 180 * MIB, 512 * MIB, 0, 0)
    for minute in range(30 * 24 * 60):
        clock.advance(60)
        device = REST | {
            "cpuRatio": round(rng.uniform(0.01, 0.12), 4),
            "load1": round(rng.uniform(0, 0.6), 2),
            "memoryAvailableBytes": 2000 * MIB + rng.randint(-60 * MIB, 60 * MIB),
            "diskFreeBytes": 12_000 * MIB - minute * 4096,
            "temperatureCelsius": {"cpu_thermal/0": round(48 + rng.uniform(-1.4, 1.4), 1)},
            "agent": {
                "memoryBytes": 60 * MIB + rng.randint(0, 2 * MIB),
                "cpuSeconds": round(minute * 0.2, 2),
            },
        }
        figures = [
            replace(
                scorer,
                module=name,
                cpu_seconds=minute * 0.3,
                received_bytes=minute * 900,
                sent_bytes=minute * 700,
            )
            for name in ("scorer", "camera")
        ]
        rates = {one.module: (round(rng.uniform(0, 0.05), 4), one.memory_bytes) for one in figures}
        served = {"scorer": Served(minute * 6, 0, 0.1, 0.0, round(rng.uniform(8, 11), 2))}
        sink.take("device", device, NOON)
        sink.take("modules", module_sample(figures, rates, {}, served), NOON)
    return wire


def test_a_device_at_rest_sends_less_than_a_megabyte_of_samples_a_month() -> None:
    wire = month(report="changes")
    assert wire.bytes <= 1_000_000, wire.bytes
    assert 2 * 720 <= wire.messages <= 2 * 720 + 20, wire.messages
