"""Messages from a container of a real engine: mounted by the agent, named by it, also after either was started anew."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from demo.parts.dockerd import Dockerd
from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import EngineRefused
from edgetender.ingest.doors import Doors
from edgetender.model.observed import Observed
from edgetender.model.target import ContainerSpec
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeOutbox
from tests.services import probe_image
from tests.services.engine import CACHE
from tests.services.sending import static_sender

pytestmark = pytest.mark.engine


class Agent:
    """As much of one as takes messages."""

    def __init__(self, socket: str, root: Path, outbox: FakeOutbox) -> None:
        self.doors = Doors(root, outbox, FakeClock())
        self.engine = DockerEngine(socket, "sending", doors=self.doors)
        self.thread = threading.Thread(target=self.doors.run)
        self.thread.start()

    def stop(self) -> None:
        self.doors.stop()
        self.thread.join(60)
        self.engine.close()


class Site:
    """A device with one agent at a time."""

    def __init__(self, socket: str, root: Path, image: str) -> None:
        self.socket, self.root, self.image, self.outbox = socket, root, image, FakeOutbox()
        self.agent = Agent(socket, root, self.outbox)
        self.client = docker.APIClient(base_url=socket)

    def run(self, module: str, *, read_only: bool = False) -> str:
        streams = (("alarms", "durable"),)
        spec = ContainerSpec(module, "default", self.image, streams=streams, read_only=read_only)
        container = self.agent.engine.create(spec, 1)
        self.agent.engine.start(container)
        return container

    def send(self, container: str, stream: str, body: str) -> str:
        """What the container's own program is answered, as a user who is nobody."""
        command = self.client.exec_create(
            container, ["/bin/sender", f"messages/{stream}", body], user="65534"
        )
        return self.client.exec_start(command).decode()

    @property
    def queued(self) -> list[tuple[str, object]]:
        return [(message.topic, json.loads(message.body)["data"]) for message in self.outbox.head()]

    def start_agent_anew(self) -> None:
        self.agent.stop()
        self.agent = Agent(self.socket, self.root, self.outbox)
        self.agent.doors.keep(Observed(containers=self.agent.engine.containers()))

    def close(self) -> None:
        for container in self.agent.engine.containers():
            self.agent.engine.remove(container.id)
        self.client.close()
        self.agent.stop()


@pytest.fixture
def site(own_engine: Dockerd) -> Iterator[Site]:
    extra = {"bin/sender": static_sender(CACHE)}
    image = probe_image.build(own_engine.socket, CACHE, "edgetender.test/sender:1", extra=extra)
    memory = Path(tempfile.mkdtemp(prefix="edgetender-", dir="/dev/shm"))
    site = Site(own_engine.socket, memory / "messages", image)
    yield site
    site.close()
    shutil.rmtree(memory)


def test_a_container_sends_a_message_as_itself_alone(site: Site) -> None:
    scorer, camera = site.run("scorer"), site.run("camera", read_only=True)
    assert site.send(scorer, "alarms", '{"hot": 1}').startswith("HTTP/1.1 202 Accepted\r\n")
    assert site.send(camera, "alarms", "2").startswith("HTTP/1.1 202 Accepted\r\n")
    assert "stream.unknown" in site.send(camera, "device", "3")
    assert site.queued == [("telemetry/scorer/alarms", {"hot": 1}), ("telemetry/camera/alarms", 2)]


def test_it_sends_on_after_the_agent_was_started_anew_and_after_its_own_restart(site: Site) -> None:
    scorer = site.run("scorer")
    site.start_agent_anew()
    assert site.send(scorer, "alarms", "1").startswith("HTTP/1.1 202 ")
    site.agent.engine.stop(scorer, 1)
    shutil.rmtree(site.root)  # as after a power cut: what was in memory is gone
    site.start_agent_anew()
    site.agent.engine.start(scorer)
    assert site.send(scorer, "alarms", "2").startswith("HTTP/1.1 202 ")
    assert [data for _, data in site.queued] == [1, 2]


def test_with_the_container_its_door_goes_and_without_doors_none_is_made(site: Site) -> None:
    site.agent.engine.remove(site.run("scorer"))
    assert list(site.root.iterdir()) == []
    unable = DockerEngine(site.socket, "sending")
    with pytest.raises(EngineRefused, match="no place for them"):
        unable.create(ContainerSpec("scorer", "default", site.image, streams=(("a", "standard"),)), 1)
    unable.close()
