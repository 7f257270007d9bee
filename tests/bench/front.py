"""What does a front cost a request, against a plainly published port? In turn, in one session."""

from __future__ import annotations

import os
import statistics

from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.engine.http_probe import http_probe
from edgetender.model.front import NAT, NONE, PROXY, Shadow
from tests.bench.clients import Speed, speed
from tests.bench.fronts import Lab, lab

ROUNDS = int(os.environ.get("EDGETENDER_BENCH_ROUNDS", "5"))
WAYS = (NONE, PROXY, NAT)


def measure() -> None:
    with lab() as bench:
        for what, env in (("an empty handler", {}), ("5 ms of work", {"WORK_MS": "5"})):
            ports = {way: bench.reachable(f"{way}{len(env)}", way, **env) for way in WAYS}
            taken: dict[str, list[Speed]] = {way: [] for way in WAYS}
            for number in range(-1, ROUNDS):
                for way in WAYS if number % 2 else reversed(WAYS):
                    found = speed(ports[way])
                    if number >= 0:
                        taken[way].append(found)
            print(f"   {what}: {ROUNDS} rounds, medians")
            for way in WAYS:
                _show(way, taken[way], taken[NONE])
        _copies(bench)


def _copies(bench: Lab) -> None:
    """What live requests pay while copies of them go to a candidate, that is as quick or that is slow."""
    module, port, env = "copied", free_port(), {"WORK_MS": "5", "ID": "same"}
    spec, live = bench.spec(module, PROXY, port), bench.server(module, PROXY, port, **env)
    bench.front.ensure(spec, live)
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer", within_s=20)
    for what, more in (("an equal candidate", {"V": "2"}), ("a slow candidate", {"WORK_MS": "300"})):
        candidate = bench.server(module, PROXY, port, version=2, **env | more)
        taken: dict[bool, list[Speed]] = {True: [], False: []}
        for number in range(-1, ROUNDS):
            for copied in (True, False) if number % 2 else (False, True):
                if copied:
                    bench.front.compare(spec, candidate, Shadow())
                found = speed(port)
                bench.front.forget(module, candidate.container)
                if number >= 0:
                    taken[copied].append(found)
        print(f"   copies to {what}: {ROUNDS} rounds, medians")
        for copied, name in ((False, "without"), (True, "with copies")):
            _show(name, taken[copied], taken[False])


def _show(way: str, ours: list[Speed], plain: list[Speed]) -> None:
    rate = statistics.median(one.per_s for one in ours)
    p50, p99 = (statistics.median(getattr(one, name) for one in ours) for name in ("p50_ms", "p99_ms"))
    ratio = statistics.median(a.per_s / b.per_s for a, b in zip(ours, plain, strict=True))
    added = statistics.median(a.p50_ms - b.p50_ms for a, b in zip(ours, plain, strict=True)) * 1e3
    name = {NONE: "published port"}.get(way, f"front {way}")
    print(
        f"   {name:<16} {rate:8.0f} requests/s ({ratio:.2f} x)   "
        f"p50 {p50:.3f} ms ({added:+.0f} us)   p99 {p99:.2f} ms"
    )
