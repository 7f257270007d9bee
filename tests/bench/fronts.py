"""Servers behind fronts and on a published port, in an engine of their own: what the front's figures are taken on."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from demo import base_image, front_image
from demo.parts.dockerd import Dockerd
from demo.parts.process import free_port
from demo.parts.waiting import until
from demo.world import REPOSITORY
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.engine.http_probe import http_probe
from edgetender.model.front import NONE, FrontPort, FrontSpec, Member
from edgetender.model.target import ContainerSpec, HealthSpec, PublishedPort
from tests.services import backends

HOME = REPOSITORY / ".demo" / "bench-front"
# HAProxy itself answers: the fastest server at hand, so that the way to it is what is measured
_EMPTY = """\
defaults
  mode http
  timeout client 1m
  timeout server 1m
  timeout connect 1s
frontend empty
  bind :5001
  http-request return status 200 content-type text/plain string ok
"""
_SERVE = f"mkdir -p /tmp && printf '%s' '{_EMPTY}' > /tmp/empty.cfg && exec haproxy -db -f /tmp/empty.cfg"


@dataclass
class Lab:
    """An engine, both kinds of servers, and every way to reach them."""

    socket: str
    client: docker.DockerClient
    engine: DockerEngine
    front: DockerFronts
    empty_image: str
    model_image: str

    def server(self, module: str, mechanism: str, port: int, *, version: int = 1, **env: str) -> Member:
        """A server that is ready; without a `WORK_MS` it answers at once."""
        empty = "WORK_MS" not in env
        wanted = ContainerSpec(
            module,
            "cpu",
            self.empty_image if empty else self.model_image,
            command=("sh", "-c", _SERVE) if empty else None,
            env=tuple(sorted({"ID": f"{version}", **env}.items())),
            ports=(PublishedPort(port, 5001, "tcp", "127.0.0.1"),),
            front=mechanism,
            health=HealthSpec(port=5001),
        )
        container = self.engine.create(wanted, version)
        self.engine.start(container)
        (address,) = (one.address for one in self.engine.containers() if one.id == container)
        member = Member(container, address or "")
        until(lambda: http_probe(member.address, 5001, "/", 1) is None, "a server", within_s=20, every_s=0.01)
        return member

    def spec(self, module: str, mechanism: str, port: int) -> FrontSpec:
        return FrontSpec(module, mechanism, (FrontPort(port, 5001, http=True),))

    def reachable(self, module: str, mechanism: str, **env: str) -> int:
        """The host port of a new server, by its own port or behind a front."""
        port = free_port()
        member = self.server(module, mechanism, port, **env)
        if mechanism != NONE:
            self.front.ensure(self.spec(module, mechanism, port), member)
        until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer", within_s=20)
        return port


@contextlib.contextmanager
def lab(packages: Path | None = None) -> Iterator[Lab]:
    """*packages* is a folder of those that servers need and the agent does not."""
    shutil.rmtree(HOME, ignore_errors=True)
    base = base_image.ensure(REPOSITORY / ".demo" / "base")
    archive = front_image.ensure(REPOSITORY / ".demo" / "front")
    own = Dockerd(HOME / "engine.own")
    with contextlib.ExitStack() as ends:
        ends.callback(own.remove)
        own.start()
        client = ends.enter_context(contextlib.closing(docker.DockerClient(base_url=own.socket, timeout=60)))
        engine = ends.enter_context(contextlib.closing(DockerEngine(own.socket, "bench")))
        fronts = DockerFronts(own.socket, "bench", home=HOME / "fronts", archive=archive)
        ends.enter_context(contextlib.closing(fronts))
        with archive.open("rb") as file:
            (loaded,) = client.images.load(file)
        yield Lab(
            own.socket, client, engine, fronts, loaded.id, backends.build(own.socket, base, packages=packages)
        )
