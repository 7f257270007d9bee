"""A front on a real engine, with servers of every kind behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from demo.parts.load import Load
from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.engine.http_probe import http_probe
from edgetender.model.front import PROXY, FrontPort, FrontSpec, FrontState, Member
from edgetender.model.target import ContainerSpec, HealthSpec, PublishedPort
from tests.services import backends
from tests.services.engine import REPOSITORY, Dockerd
from tests.services.handing import Site, site

__all__ = ["BODY", "Stand", "serving", "site", "stand", "state"]

BODY = b"[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]"


@dataclass
class Stand:
    """A front, and servers of every kind."""

    client: docker.DockerClient
    engine: DockerEngine
    front: DockerFronts
    image: str
    spec: FrontSpec
    site: Site

    def member(self, number: int, kind: str, work_ms: int = 2, says: str = "") -> Member:
        env = (("ID", says or f"number {number}"), ("KIND", kind), ("WORK_MS", str(work_ms)))
        port = self.spec.ports[0]
        ports = (PublishedPort(port.host, port.container, "tcp", "127.0.0.1"),)
        wanted = ContainerSpec(
            "web",
            "cpu",
            self.image,
            env=env,
            ports=ports,
            front=self.spec.mechanism,
            health=HealthSpec(port=5001),
        )
        container = self.engine.create(wanted, number)
        self.engine.start(container)
        (address,) = (one.address for one in self.engine.containers() if one.id == container)
        assert address
        until(lambda: http_probe(address, 5001, "/", 1 + work_ms / 1e3) is None, "readiness")
        return Member(container, address)

    def held(self, member: Member) -> int:
        (front,) = self.front.observe()
        server = front.server(member.container)
        return server.connections if server else 0

    def switch(self, old: Member, new: Member, end: str) -> None:
        self.front.point(self.spec, new)
        if end != "graceful":  # who drains ends its kept connections itself, when it is told to
            with contextlib.suppress(Exception):
                until(lambda: self.held(old) == 0, "the drain", within_s=3)
        if self.spec.mechanism == PROXY:
            self.front.forget("web", old.container)
        if end == "killed":
            self.client.containers.get(old.container).kill()
        else:
            self.engine.stop(old.container, 5)
        self.front.forget("web", old.container)
        self.engine.remove(old.container)


@pytest.fixture
def stand(
    request: pytest.FixtureRequest, own_engine: Dockerd, front_archive: Path, tmp_path: Path, site: Site
) -> Iterator[Stand]:
    base = REPOSITORY / ".demo" / "base" / "base.tar"
    if not base.exists():
        pytest.skip("the base image is missing: ./run test builds it")
    engine = DockerEngine(own_engine.socket, "ours")
    front = DockerFronts(
        own_engine.socket, "ours", home=tmp_path / "fronts", archive=front_archive, keys=site.folders
    )
    mechanism = getattr(request, "param", PROXY)
    spec = FrontSpec("web", mechanism, (FrontPort(free_port(), 5001, http=True),))
    with contextlib.closing(docker.DockerClient(base_url=own_engine.socket, timeout=60)) as client:
        try:
            yield Stand(client, engine, front, backends.build(own_engine.socket, base), spec, site)
        finally:
            front.lower("web")
            for container in engine.containers():
                engine.remove(container.id)
            engine.close()
            front.close()


@contextlib.contextmanager
def serving(stand: Stand, live: Member) -> Iterator[Load]:
    stand.front.ensure(stand.spec, live)
    port = stand.spec.ports[0].host
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "the front")
    with Load(port, body=BODY, per_s=150) as load:
        load.go_on(20)
        yield load


def state(stand: Stand) -> FrontState:
    (found,) = stand.front.observe()
    return found
