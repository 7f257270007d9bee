"""What does the way over an IoT Hub cost, against MQTT? Time to the first 200, writes to the twin, memory.

One world after the other, each with an engine of its own; the image is here already, as in `publish`.
"""

from __future__ import annotations

import os
import statistics
import threading

import psutil

from demo.clean import DEVICE
from demo.parts.dockerd import client
from demo.upstream_iothub import HubUpstream
from demo.world import World
from tests.bench.deployed import deployed
from tests.bench.idle import as_in_the_field, pid_of
from tests.bench.publish import Publishing, pinned_image

TIMES = int(os.environ.get("EDGETENDER_BENCH_TIMES", "11"))
MINUTES = float(os.environ.get("EDGETENDER_BENCH_MINUTES", "5"))


def measure() -> None:
    medians = {}
    for iothub in (False, True):
        name = "IoT Hub" if iothub else "MQTT"
        with deployed(iothub=iothub) as world:
            before = _writes(world)
            taken = _first_200s(world)
            medians[name] = statistics.median(taken)
            low, high = min(taken) * 1e3, max(taken) * 1e3
            print(
                f"   {name}: {medians[name] * 1e3:.0f} ms to the first 200 ({low:.0f} to {high:.0f})",
                flush=True,
            )
            if iothub:  # a module comes, then it goes: two deployments each time
                deployments = 2 * (TIMES + 1)
                print(f"   {(_writes(world) - before) / deployments:.1f} twin writes per deployment")
            _at_rest(world)
    print(f"   ratio {medians['IoT Hub'] / medians['MQTT']:.2f}")


def _first_200s(world: World) -> list[float]:
    with client(world.engine) as engine:
        publishing = Publishing(world, engine, pinned_image(world))
        return [publishing.once(number) for number in range(TIMES + 1)][1:]


def _at_rest(world: World) -> None:
    as_in_the_field(world)
    threading.Event().wait(20)  # what the start left to do
    before, daemon = _writes(world), psutil.Process(pid_of(world))
    threading.Event().wait(MINUTES * 60)
    memory = daemon.memory_full_info()
    print(
        f"   RSS {memory.rss / 2**20:.1f} MiB, private {memory.uss / 2**20:.1f} MiB, "
        f"{daemon.num_threads()} threads"
    )
    if isinstance(world.upstream, HubUpstream):
        per_hour = (_writes(world) - before) * 60 / MINUTES
        print(f"   {per_hour:.0f} twin writes per hour at rest, from {MINUTES:g} minutes")


def _writes(world: World) -> int:
    """To the reported properties, so far; none over MQTT."""
    return world.upstream.hub.counts(DEVICE)[2] if isinstance(world.upstream, HubUpstream) else 0
