"""Benches for the contract of `ports.Front`: the proxy, address translation, and the fake of the loop's tests."""

from __future__ import annotations

import contextlib
import itertools
import socket as sockets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import docker
import pytest

from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.model.front import NAT, PROXY, FrontPort, FrontSpec, FrontState, Member
from edgetender.model.target import ContainerSpec, HealthSpec, PublishedPort
from edgetender.ports import Engine, Front
from tests.fakes.engine import FakeEngine
from tests.fakes.front import FakeFront
from tests.services.asking import env_at

_MODULES = (f"web{number}" for number in itertools.count())
MECHANISMS = [
    pytest.param(("fake", PROXY), id="fake"),
    pytest.param(("real", PROXY), id="proxy", marks=pytest.mark.engine),
    pytest.param(("real", NAT), id="nat", marks=pytest.mark.engine),
]


@dataclass
class Bench:
    """A front for device `ours`, containers to put behind it, and hands on the world they are in."""

    front: Front
    again: Callable[[], Front]  # the same front, as an agent that was started anew sees it
    neighbour: Front
    engine: Engine
    neighbour_engine: Engine
    mechanism: str
    image: str
    who: Callable[[int], str | None]  # which container answers at a host port
    restart: Callable[[str], None]  # the front of a module
    occupy: Callable[[int], contextlib.AbstractContextManager[None]]
    module: str = field(default_factory=lambda: next(_MODULES))
    port: int = field(default_factory=free_port)

    @property
    def spec(self) -> FrontSpec:
        return FrontSpec(self.module, self.mechanism, (FrontPort(self.port, 5001, http=True),))

    def member(self, name: str, engine: Engine | None = None) -> Member:
        """A running container that says *name*."""
        engine = engine or self.engine
        wanted = ContainerSpec(
            self.module,
            "cpu",
            self.image,
            env=(("ID", name),),
            ports=(PublishedPort(self.port, 5001, "tcp", "127.0.0.1"),),
            front=self.mechanism,
            health=HealthSpec(port=5001),
        )
        container = engine.create(wanted, 1)
        engine.start(container)
        until(lambda: "started" in list(engine.logs(container)), "the start")
        (address,) = (one.address for one in engine.containers() if one.id == container)
        assert address
        return Member(container, address)

    def state(self) -> FrontState | None:
        return next((one for one in self.front.observe() if one.module == self.module), None)

    def serving(self, member: Member) -> FrontState:
        """The front's state once it sends to *member* alone."""
        until(lambda: (s := self.state()) is not None and s.target == member, "the switch")
        state = self.state()
        assert state is not None
        return state

    def up(self, member: Member) -> None:
        self.front.ensure(self.spec, member)
        self.serving(member)
        self.answered_by(member)

    def answered_by(self, member: Member) -> None:
        until(lambda: self.who(self.port) == member.container, "the right answer")


@pytest.fixture(params=MECHANISMS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind, mechanism = request.param
    if kind == "fake":
        yield _fake(mechanism)
    else:
        yield from _real(request, mechanism)


def _fake(mechanism: str) -> Bench:
    engine = FakeEngine(images=["probe"], device="ours")
    theirs = FakeEngine(device="theirs", world=engine.world)
    front = FakeFront(engine)

    def who(port: int) -> str | None:
        holders = [f for f in engine.world.fronts.values() if (port, "tcp") in f.host_ports]
        return holders[0].receiving[0].container if holders and holders[0].receiving else None

    @contextlib.contextmanager
    def occupy(port: int) -> Iterator[None]:
        ports = (PublishedPort(port, 5001, "tcp", "127.0.0.1"),)
        theirs.start(theirs.create(ContainerSpec("occupier", "cpu", "probe", ports=ports), 1))
        yield

    return Bench(
        front, lambda: FakeFront(engine), FakeFront(theirs), engine, theirs, mechanism, "probe", who, front.restart, occupy
    )  # fmt: skip


def _real(request: pytest.FixtureRequest, mechanism: str) -> Iterator[Bench]:
    image, archive = request.getfixturevalue("engine_image"), request.getfixturevalue("front_archive")
    socket, tmp_path = request.getfixturevalue("engine_socket"), request.getfixturevalue("tmp_path")
    ours, theirs = DockerEngine(socket, "ours"), DockerEngine(socket, "theirs")
    with contextlib.ExitStack() as ends:
        client = ends.enter_context(contextlib.closing(docker.DockerClient(base_url=socket, timeout=60)))

        def fronts(device: str) -> DockerFronts:
            made = DockerFronts(socket, device, home=tmp_path / device / "fronts", archive=archive)
            return ends.enter_context(contextlib.closing(made))

        def who(port: int) -> str | None:
            said = env_at(port)
            return said and next((c.id for c in ours.containers() if c.id.startswith(said["HOSTNAME"])), None)

        @contextlib.contextmanager
        def occupy(port: int) -> Iterator[None]:
            with sockets.create_server(("127.0.0.1", port)):
                yield

        front, neighbour = fronts("ours"), fronts("theirs")
        bench = Bench(
            front, lambda: fronts("ours"), neighbour, ours, theirs, mechanism, image, who,
            lambda module: client.containers.get(f"edgetender-{module}-front").restart(timeout=1), occupy,
        )  # fmt: skip
        try:
            yield bench
        finally:
            for one, engine in ((front, ours), (neighbour, theirs)):
                for state in one.observe():
                    one.lower(state.module)
                for container in engine.containers():
                    engine.remove(container.id)
                engine.close()
