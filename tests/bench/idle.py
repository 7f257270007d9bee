"""What does a daemon cost that has nothing to do? Two modules run, telemetry goes up once a minute."""

from __future__ import annotations

import os
import threading

import psutil

from demo.world import World
from tests.bench.deployed import deployed

MINUTES = float(os.environ.get("EDGETENDER_BENCH_MINUTES", "5"))


def measure() -> None:
    with deployed() as world:
        as_in_the_field(world)
        threading.Event().wait(20)  # what the start left to do
        daemon = psutil.Process(pid_of(world))
        before = daemon.cpu_times()
        threading.Event().wait(MINUTES * 60)
        after = daemon.cpu_times()
        cpu_s = sum(after[:2]) - sum(before[:2])
        memory = daemon.memory_full_info()
        print(f"   RSS {memory.rss / 2**20:.1f} MiB, private {memory.uss / 2**20:.1f} MiB")
        print(
            f"   CPU {cpu_s / MINUTES:.2f} s per minute, over {MINUTES:g} minutes; {daemon.num_threads()} threads"
        )


def as_in_the_field(world: World) -> None:
    """The demo takes samples every two seconds, a device in the field every minute."""
    config = world.device.config
    world.device.stop()
    config.write_text(config.read_text().replace("interval_s = 2", "interval_s = 60"))
    world.device.start()


def pid_of(world: World) -> int:
    identity = world.device.part.identity
    if identity is None:
        raise RuntimeError("the daemon does not run")
    return identity.pid
