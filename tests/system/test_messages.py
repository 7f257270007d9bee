"""A module's word on its whole way: from its container by the agent to a broker, through an outage and a kill."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from demo.parts.dockerd import Dockerd
from demo.parts.registry import Registry
from demo.parts.waiting import until
from tests.services import probe_image
from tests.services.agent import Daemon
from tests.services.broker import TestBroker
from tests.services.engine import CACHE
from tests.services.mqtt_listener import Listener
from tests.services.sending import static_sender

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.broker, pytest.mark.timeout(600)]
DEVICE = f"messages-{os.getpid()}"
TOPIC = "telemetry/scorer/alarms"


class Module:
    """The module's container, by whatever name it has now."""

    def __init__(self, engine: str) -> None:
        self.client = docker.APIClient(base_url=engine, timeout=60)

    def send(self, number: int) -> str:
        return self.post("messages/alarms", str(number))

    def post(self, path: str, body: str) -> str:
        """The first line of what is answered to it, in the container."""
        found = self.client.containers(filters={"label": f"io.edgetender.device={DEVICE}"})
        command = self.client.exec_create(found[0]["Id"], ["/bin/sender", path, body])
        return str(self.client.exec_start(command).decode()).partition("\r\n")[0]

    def close(self) -> None:
        for one in self.client.containers(all=True, filters={"label": f"io.edgetender.device={DEVICE}"}):
            self.client.remove_container(one, force=True)
        self.client.close()


@pytest.fixture
def module(engine_socket: str) -> Iterator[Module]:
    with contextlib.closing(Module(engine_socket)) as module:
        yield module


@pytest.fixture
def image(registry: Registry, own_engine: Dockerd, module: Module) -> str:
    """The probe image with a sender in it, by digest."""
    extra = {"bin/sender": static_sender(CACHE)}
    built = probe_image.build(own_engine.socket, CACHE, "edgetender.test/sender:1", extra=extra)
    name = f"{registry.host}/team/sender"
    user, password = next(iter(registry.users.items()))
    module.client.tag(built, name, tag="1")
    login = {"username": user, "password": password}
    said = list(module.client.push(name, tag="1", stream=True, decode=True, auth_config=login))
    (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
    return f"{name}@{digest}"


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="edgetender-"))  # a client's address of a socket is short
    yield place
    shutil.rmtree(place)


def document(image: str, **more: Any) -> bytes:
    module = {"image": image, "health": {"http": {"path": "/"}, "interval": 1}} | more
    manifest = {
        "schema": "edgetender/v1",
        "deployment": "sending",
        "version": 1,
        "modules": {"scorer": module},
    }
    return json.dumps(manifest | {"update": {"settle": 0}}).encode()


def numbers(hub: Listener) -> list[int]:
    """In their order; what came twice, as at-least-once may, is left out."""
    return list(dict.fromkeys(json.loads(body)["data"] for body in hub.bodies(TOPIC)))


def test_what_a_module_was_told_is_kept_reaches_the_broker_through_an_outage_and_a_kill(
    folder: Path, engine_socket: str, registry: Registry, broker: TestBroker, image: str, module: Module
) -> None:
    (folder / "policy.toml").write_text('[allowed]\nstreams = ["alarms"]\n')
    more = f'[transport]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {broker.port}\ntls = false\n'
    more += f'[registries."{registry.host}"]\nca = "{registry.ca}"\n'
    with Listener(broker.port, DEVICE) as hub:
        with Daemon(folder, DEVICE, engine_socket, more) as daemon:
            hub.publish("desired", document(image, streams={"alarms": "durable"}), retain=True)
            until(lambda: daemon.client.status()["version"] == 1, "the module")
            assert module.send(1) == "HTTP/1.1 202 Accepted"
            hub.wait(TOPIC, b'"data":1')
            assert module.post("delay", '{"for_s": 60, "reason": "a batch"}') == "HTTP/1.1 202 Accepted"
            hub.wait("event/delay.set", b'"by":"module scorer"')
            broker.stop()
            assert [module.send(number) for number in (2, 3)] == ["HTTP/1.1 202 Accepted"] * 2
            daemon.kill()
        assert not module.send(4).startswith(
            "HTTP/1.1 202"
        )  # nobody is there: the module knows that it must ask again
        broker.start()
        hub.hears()  # before the agent does: what it sends is kept for nobody
        with Daemon(folder, DEVICE, engine_socket, more) as daemon:
            until(lambda: module.send(4) == "HTTP/1.1 202 Accepted", "the agent's socket")
            until(lambda: numbers(hub)[-1:] == [4], "the last message")
            assert numbers(hub) == [1, 2, 3, 4]
            rest = b'edgetender_outbox_messages{stream="scorer/alarms"} 0.0'
            until(lambda: rest in daemon.over_http("/metrics"), "an empty outbox")
        hub.forget("desired", "reported", "birth", "status")
