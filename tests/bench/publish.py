"""How long from a published manifest to the first 200, with the image here already?

By hand means what a person's script would do on the device: create, start, ask until it answers.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker

from demo import manifests
from demo.clean import DEVICE
from demo.parts.dockerd import client
from demo.parts.process import free_port
from demo.parts.waiting import until
from demo.world import World
from tests.bench.deployed import deployed
from tests.bench.paired import paired

PAIRS = 15
_ASK_EVERY_S = 0.002


def measure() -> None:
    with deployed() as world:
        pinned = pinned_image(world)
        with client(world.engine) as engine:
            publishing = Publishing(world, engine, pinned)
            pairs = paired(publishing.once, lambda _: _by_hand(engine, pinned), PAIRS)
        pairs.show("publish -> first 200, by edgetender", "create + start + poll, by hand")


class Publishing:
    """Each time one more module, with a port of its own, beside the two that stay."""

    def __init__(self, world: World, engine: docker.DockerClient, pinned: str) -> None:
        self._world, self._engine, self._pinned, self._version = world, engine, pinned, 1

    def once(self, _number: int) -> float:
        port = free_port()
        probe = {
            "image": self._pinned,
            "ports": [f"127.0.0.1:{port}:5001"],
            "health": {"http": {"port": 5001, "path": "/"}, "interval": 1},
        }
        with _container_started(self._engine) as wait_for_start:
            began = self._publish(probe=probe)
            wait_for_start()
        _first_200(port)
        took = time.monotonic() - began
        self._settled()
        self._publish()
        self._settled()
        return took

    def _publish(self, **more: Any) -> float:
        self._version += 1
        document = manifests.changed(self._world.facts["manifest"], self._version)
        for module in document["modules"].values():
            module["image"] = self._pinned  # nothing is to be asked of the registry
        document["modules"] |= more
        document["update"] = {"settle": 0}
        return self._world.upstream.publish("desired", self._world.signer.unchecked(document), retain=True)

    def _settled(self) -> None:
        self._world.upstream.wait(
            "reported",
            f"version {self._version} accepted",
            lambda body: body["accepted"] and body["accepted"]["version"] == self._version,
            within_s=30,
        )


@contextlib.contextmanager
def _container_started(engine: docker.DockerClient) -> Iterator[Callable[[], object]]:
    """Hand out a function that returns when a container started.

    Who asks a port before its container's interface is up waits a second for the kernel's next ARP request,
    in both ways alike; so neither asks before.
    """
    events = engine.events(decode=True, filters={"type": "container", "event": "start"})
    try:
        yield lambda: next(iter(events))
    finally:
        events.close()


def _by_hand(engine: docker.DockerClient, image: str) -> float:
    port = free_port()
    began = time.monotonic()
    container = engine.containers.create(image, ports={"5001/tcp": ("127.0.0.1", port)})
    container.start()
    _first_200(port)
    took = time.monotonic() - began
    container.remove(force=True)
    return took


def _first_200(port: int) -> None:
    def answers() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    until(answers, "an answer", within_s=30, every_s=_ASK_EVERY_S)


def pinned_image(world: World) -> str:
    """The image by digest, as the device runs it: nothing is to be asked of the registry."""
    image = world.containers("diabetes")[0]["Config"]["Image"]
    if "@sha256:" not in image:
        raise RuntimeError(f"{DEVICE} runs {image}, which is not pinned")
    return str(image)
