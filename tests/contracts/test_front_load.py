"""Switches under load lose no request: with servers that drain, that close rudely, that are killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from demo.parts.load import Load
from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.engine.http_probe import http_probe
from edgetender.model.front import NAT, PROXY, FrontPort, FrontSpec, Member
from edgetender.model.target import ContainerSpec, HealthSpec, PublishedPort
from tests.services import backends
from tests.services.engine import REPOSITORY

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

SWITCHES = 4
BODY = b"[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]"


@dataclass
class Stand:
    """A front, and servers of every kind."""

    client: docker.DockerClient
    engine: DockerEngine
    front: DockerFronts
    image: str
    spec: FrontSpec

    def member(self, number: int, kind: str, work_ms: int = 2) -> Member:
        env = (("ID", f"number {number}"), ("KIND", kind), ("WORK_MS", str(work_ms)))
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
        until(lambda: http_probe(address, 5001, "/", 1) is None, "readiness", within_s=20)
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
def stand(request: pytest.FixtureRequest, own_engine, front_archive, tmp_path) -> Iterator[Stand]:
    base = REPOSITORY / ".demo" / "base" / "base.tar"
    if not base.exists():
        pytest.skip("the base image is missing: ./run test builds it")
    engine = DockerEngine(own_engine.socket, "ours")
    front = DockerFronts(own_engine.socket, "ours", home=tmp_path / "fronts", archive=front_archive)
    spec = FrontSpec("web", request.param, (FrontPort(free_port(), 5001, http=True),))
    with contextlib.closing(docker.DockerClient(base_url=own_engine.socket, timeout=60)) as client:
        try:
            yield Stand(client, engine, front, backends.build(own_engine.socket, base), spec)
        finally:
            front.lower("web")
            for container in engine.containers():
                engine.remove(container.id)
            engine.close()
            front.close()


@pytest.mark.parametrize(
    ("stand", "end"),
    # address translation keeps connections where they began: it is for servers that drain
    [(PROXY, "graceful"), (PROXY, "rude"), (PROXY, "exits"), (PROXY, "killed"), (NAT, "graceful")],
    indirect=["stand"],
)
def test_switching_under_load_fails_no_request(stand: Stand, end: str) -> None:
    old = stand.member(0, end)
    stand.front.ensure(stand.spec, old)
    port = stand.spec.ports[0].host
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "the front", within_s=10)
    with Load(port, body=BODY, per_s=300) as load:
        load.go_on(50)
        for number in range(1, SWITCHES + 1):
            new = stand.member(number, end)
            load.go_on(50)
            stand.switch(old, new, end)
            old = new
            load.go_on(50)
    assert not load.failures, str(load)
    assert load.asked > 100 * SWITCHES
    assert {f"number {number}" for number in range(SWITCHES + 1)} <= set(load.answers)


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_front_knows_how_long_the_answers_of_both_containers_took(stand: Stand) -> None:
    old, new = stand.member(1, "graceful", 5), stand.member(2, "graceful", 40)
    stand.front.ensure(stand.spec, old)
    port = stand.spec.ports[0].host
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "the front", within_s=10)
    with Load(port, body=BODY, per_s=100) as load:
        load.go_on(150)
        stand.front.point(stand.spec, new)
        load.go_on(150)
    (state,) = stand.front.observe()
    before, after = state.server(old.container), state.server(new.container)
    assert before is not None
    assert after is not None
    assert before.timed > 100 < after.timed
    assert before.p95_ms is not None
    assert after.p95_ms is not None
    assert 5 <= before.p95_ms < 40 <= after.p95_ms
