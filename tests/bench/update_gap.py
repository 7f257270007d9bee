"""How long do clients wait while a container is replaced? By the front, by docker-compose, by stop and start by hand.

With a server that closes rudely, whose start takes nothing, then three seconds; then, by the front alone, with
servers as they come. `EDGETENDER_BENCH_UPDATES` is how many updates each row takes, at 200 requests a second over
kept connections and 200 with one connection each.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from demo.parts.load import Load
from demo.parts.process import free_port
from demo.parts.waiting import TimedOut, until
from edgetender.engine.http_probe import http_probe
from edgetender.model.front import NONE, PROXY, Member
from tests.bench.environments import packages_of
from tests.bench.fronts import HOME, Lab, lab
from tests.services import backends

UPDATES = int(os.environ.get("EDGETENDER_BENCH_UPDATES", "50"))
PER_S = 200
BODY = b"[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]"


@dataclass
class Kinds:
    """Clients that keep their connection and clients that do not, and how long each switch was."""

    port: int
    windows: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept, self.fresh = (
            Load(self.port, body=BODY, kept=4, fresh=0, per_s=PER_S),
            Load(self.port, body=BODY, kept=0, fresh=4, per_s=PER_S),
        )

    def show(self, what: str) -> None:
        print(f"   {what}")
        for name, load in (("kept connections", self.kept), ("new connections", self.fresh)):
            inside, outside = load.p99_in(self.windows)
            ratio = inside / outside if outside else 0.0
            print(
                f"      {name:<18} {load}; p99 {inside * 1e3:.0f} ms while switching, "
                f"{outside * 1e3:.0f} ms else ({ratio:.1f} x)"
            )


def measure() -> None:
    packages = packages_of("servers", "gunicorn==23.0.0")
    with lab(packages) as bench:
        for start_s in ("0", "3"):
            env = {"WORK_MS": "5", "KIND": "rude", "READY_AFTER": start_s}
            many = UPDATES if start_s == "0" else max(2, UPDATES // 5)
            few = max(2, UPDATES // 5)
            _by_front(bench, many, env).show(f"front, {many} updates, start takes {start_s} s")
            _by_hand(bench, few, env).show(f"stop, then start, {few} updates, start takes {start_s} s")
            if shutil.which("docker-compose"):
                _by_compose(bench, few, env).show(f"docker-compose, {few} updates, start takes {start_s} s")
            else:
                print("   docker-compose: not installed, left out")
        for kind in backends.POPULAR:
            if kind in backends.popular(packages):
                updates = max(2, UPDATES * 3 // 5)
                env = {"WORK_MS": "5", "KIND": kind}
                _by_front(bench, updates, env).show(f"front, {updates} updates, {kind}")
            else:
                print(f"   {kind}: not installed, left out")


@contextlib.contextmanager
def _load(port: int) -> Iterator[Kinds]:
    """Clients in a process of their own: in this one they would wait for what an update costs its interpreter."""
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer", within_s=20)
    forked = multiprocessing.get_context("fork")
    over, told = forked.Event(), forked.SimpleQueue()
    both = Kinds(port)
    clients = forked.Process(target=_ask_on, args=(both, over, told))
    clients.start()
    try:
        time.sleep(1)  # of the load alone: what the updates are compared with
        yield both
        over.set()
        for load in (both.kept, both.fresh):
            load.asked, load.failures, load._moments, load._took = told.get()
    finally:
        over.set()
        clients.join(20)


def _ask_on(both: Kinds, over: Event, told: SimpleQueue[Any]) -> None:
    with both.kept, both.fresh:
        over.wait()
    for load in (both.kept, both.fresh):
        told.put((load.asked, load.failures, load._moments, load._took))


def _updated(load: Kinds, updates: int, update: Callable[[int], None]) -> None:
    for number in range(2, updates + 2):
        began = time.monotonic()
        update(number)
        load.windows.append((began, time.monotonic()))
        time.sleep(0.25)  # so does this: steady again before the next


def _by_front(bench: Lab, updates: int, env: dict[str, str]) -> Kinds:
    """Its windows are from the switch until the old container is gone."""
    module, port = f"front-{env['KIND'].replace('.', '')}{env.get('READY_AFTER', '')}", free_port()
    spec = bench.spec(module, PROXY, port)
    serving: list[Member] = [bench.server(module, PROXY, port, **env)]
    bench.front.ensure(spec, serving[0])

    def update(number: int) -> None:
        new, old = bench.server(module, PROXY, port, version=number, **env), serving.pop()
        bench.front.point(spec, new)
        with contextlib.suppress(TimedOut):
            until(lambda: _drained(bench, module, old), "the drain", within_s=5)
        bench.front.forget(module, old.container)
        bench.engine.stop(old.container, 5)
        bench.front.forget(module, old.container)
        bench.engine.remove(old.container)
        serving.append(new)

    with _load(port) as load:
        _updated(load, updates, update)
    return load


def _drained(bench: Lab, module: str, member: Member) -> bool:
    (state,) = (one for one in bench.front.observe() if one.module == module)
    server = state.server(member.container)
    return server is None or server.connections == 0


def _by_hand(bench: Lab, updates: int, env: dict[str, str]) -> Kinds:
    module, port = f"hand{env['READY_AFTER']}", free_port()
    serving = [bench.server(module, NONE, port, **env)]

    def update(number: int) -> None:
        old = serving.pop()
        bench.engine.stop(old.container, 5)
        bench.engine.remove(old.container)
        serving.append(bench.server(module, NONE, port, version=number, **env))

    with _load(port) as load:
        _updated(load, updates, update)
    return load


def _by_compose(bench: Lab, updates: int, env: dict[str, str]) -> Kinds:
    port, home = free_port(), HOME / f"compose{env['READY_AFTER']}"
    home.mkdir(parents=True)

    def up(number: int) -> None:
        service = {
            "image": bench.model_image,
            "environment": env | {"ID": f"{number}"},
            "ports": [f"127.0.0.1:{port}:5001"],
            "stop_grace_period": "5s",
        }
        file = Path(home, "docker-compose.yml")
        file.write_text(json.dumps({"version": "3", "services": {"web": service}}))
        known = {"DOCKER_HOST": bench.socket, "PATH": os.environ["PATH"], "HOME": str(home)}
        subprocess.run(
            ["docker-compose", "-f", str(file), "up", "-d"], check=True, capture_output=True, env=known
        )
        until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer", within_s=20, every_s=0.01)

    up(1)
    with _load(port) as load:
        _updated(load, updates, up)
    return load
