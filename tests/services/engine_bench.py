"""An engine to be tried, real or fake, and what its suite must be able to do to it from outside."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker

from demo.parts.waiting import until
from edgetender.engine.docker_engine import DockerEngine
from edgetender.model.observed import Container, Status
from edgetender.model.target import ContainerSpec, PublishedPort
from edgetender.ports import Engine
from tests.fakes.engine import FakeEngine
from tests.services import probe_image
from tests.services.engine import CACHE

_MODULES = (f"scorer{number}" for number in itertools.count())
_SPARE = "edgetender.test/spare:1"
_GREEDY = "edgetender.test/greedy:1"  # PID 1 takes memory until it is stopped


@dataclass
class Bench:
    """An engine for device `ours`, and what the suite must be able to do to its world from outside."""

    engine: Engine
    neighbour: Engine  # the same engine, as another device
    unplugged: Engine  # an engine that is not there
    image: str
    greedy: str
    spare: str  # a name that a test may take away
    kill: Callable[[str], None]
    run_out_of_memory: Callable[[str], None]
    module: str = field(default_factory=lambda: next(_MODULES))

    def spec(
        self, *, image: str | None = None, ports: tuple[PublishedPort, ...] = (), **env: str
    ) -> ContainerSpec:
        return ContainerSpec(
            self.module,
            "cpu",
            image or self.image,
            env=tuple(sorted(env.items())),
            ports=ports,
            memory_bytes=32 * 1024**2,
            cpus=1.0,
            pids=64,
        )

    def run(self, spec: ContainerSpec, version: int = 1) -> str:
        container = self.engine.create(spec, version)
        self.engine.start(container)
        until(lambda: "started" in list(self.engine.logs(container)), "the start")
        return container

    def look(self, container: str) -> Container | None:
        return next((one for one in self.engine.containers() if one.id == container), None)

    def seen(self, container: str) -> Container:
        found = self.look(container)
        assert found is not None
        return found

    def ended(self, container: str) -> Container:
        until(lambda: self.seen(container).status is Status.EXITED, "the end")
        return self.seen(container)


def fake_bench() -> Bench:
    engine = FakeEngine(images=["probe", "greedy", "spare"], device="ours")
    unplugged = FakeEngine()
    unplugged.down = "no such socket"
    return Bench(
        engine,
        FakeEngine(device="theirs", world=engine.world),
        unplugged,
        "probe",
        "greedy",
        "spare",
        kill=lambda container: engine.crash(container, 137),
        run_out_of_memory=lambda container: engine.crash(container, 137, oom=True),
    )


def real_bench(socket: str, image: str, tmp_path: Path) -> Iterator[Bench]:
    probe = b"#!/bin/sh\necho started\nx=x; while :; do x=$x$x; done\n"
    greedy = probe_image.build(socket, CACHE, _GREEDY, extra={"probe": probe})
    ours, theirs = DockerEngine(socket, "ours"), DockerEngine(socket, "theirs")
    with contextlib.closing(docker.APIClient(base_url=socket, timeout=60)) as client:
        unplugged = DockerEngine(f"unix://{tmp_path}/none.sock", "ours", timeout_s=2)
        try:
            spare = probe_image.build(socket, CACHE, _SPARE, extra={"spare": b""})
            yield Bench(ours, theirs, unplugged, image, greedy, spare, client.kill, lambda container: None)
        finally:
            for engine in (ours, theirs):
                for container in engine.containers():
                    engine.remove(container.id)
                engine.close()
