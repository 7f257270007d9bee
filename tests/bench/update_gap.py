"""How long do clients wait while a container is replaced: by the front, and by stopping, then starting, by hand?

With a server that closes rudely; its start takes nothing, then three seconds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from demo.parts.load import Load
from demo.parts.process import free_port
from demo.parts.waiting import TimedOut, until
from edgetender.engine.http_probe import http_probe
from edgetender.model.front import NONE, PROXY, Member
from tests.bench.fronts import Lab, lab

UPDATES = int(os.environ.get("EDGETENDER_BENCH_UPDATES", "25"))
BODY = b"[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]"


def measure() -> None:
    with lab() as bench:
        for start_s in ("0", "3"):
            updates = UPDATES if start_s == "0" else max(2, UPDATES // 5)
            env = {"WORK_MS": "5", "KIND": "rude", "READY_AFTER": start_s}
            _show(f"front, {updates} updates, start takes {start_s} s", _by_front(bench, updates, env))
            _show(
                f"stop, then start, {updates} updates, start takes {start_s} s", _by_hand(bench, updates, env)
            )


def _show(what: str, load: Load) -> None:
    print(f"   {what:<56} {load}; p99 {load.p99_s * 1e3:.0f} ms")


def _under_load(port: int, updates: int, update: Callable[[int], None]) -> Load:
    with Load(port, body=BODY, kept=4, fresh=4, per_s=400) as load:
        load.go_on(400)
        for number in range(2, updates + 2):
            update(number)
            load.go_on(40)
    return load


def _by_front(bench: Lab, updates: int, env: dict[str, str]) -> Load:
    module, port = f"front{env['READY_AFTER']}", free_port()
    spec = bench.spec(module, PROXY, port)
    serving: list[Member] = [bench.server(module, PROXY, port, **env)]
    bench.front.ensure(spec, serving[0])
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer", within_s=20)

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

    return _under_load(port, updates, update)


def _drained(bench: Lab, module: str, member: Member) -> bool:
    (state,) = (one for one in bench.front.observe() if one.module == module)
    server = state.server(member.container)
    return server is None or server.connections == 0


def _by_hand(bench: Lab, updates: int, env: dict[str, str]) -> Load:
    module, port = f"hand{env['READY_AFTER']}", free_port()
    serving = [bench.server(module, NONE, port, **env)]

    def update(number: int) -> None:
        old = serving.pop()
        bench.engine.stop(old.container, 5)
        bench.engine.remove(old.container)
        serving.append(bench.server(module, NONE, port, version=number, **env))

    return _under_load(port, updates, update)
