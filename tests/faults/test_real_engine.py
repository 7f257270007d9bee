"""The faults of a real engine: it hangs, it dies, hands meddle with its containers, a second agent comes."""

from __future__ import annotations

import io
import os
import random
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from demo.parts.dockerd import Dockerd
from demo.parts.registry import Registry
from demo.parts.waiting import until
from tests.faults.__main__ import SEED
from tests.faults.real import RealDevice, pushed, real_device
from tests.services import probe_image
from tests.services.engine import CACHE

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def images(own_engine: Dockerd, registry: Registry) -> dict[str, str]:
    found = {}
    for name in ("one", "two"):
        extra = {"name": name.encode()}
        local = probe_image.build(own_engine.socket, CACHE, f"edgetender.test/{name}:1", extra=extra)
        found[name] = pushed(own_engine.socket, registry, local, name)
    return found


@pytest.fixture
def device(own_engine: Dockerd, registry: Registry, images: dict[str, str]) -> Iterator[RealDevice]:
    """Version 1 serves."""
    with real_device(own_engine.socket, registry, images) as device:
        device.start()
        device.apply(1, "one")
        device.rest(1, "the first version")
        yield device


@pytest.fixture
def stranger(own_engine: Dockerd, engine_image: str, device: RealDevice) -> Iterator[str]:
    """Somebody else's container, of a name like ours, and labelled as another device's."""
    labels = {"io.edgetender.device": "line4-cam1", "io.edgetender.module": "scorer"}
    made = device.api.create_container(engine_image, name="edgetender-scorer-stranger", labels=labels)
    device.api.start(made["Id"])
    yield str(made["Id"])
    device.api.remove_container(made["Id"], force=True)


def untouched(device: RealDevice, container: str) -> Any:
    """What would differ, had somebody laid hand on it."""
    found = device.api.inspect_container(container)
    return found["State"]["StartedAt"], found["State"]["Status"], found["Name"]


def test_kills_during_updates_end_with_one_container_of_the_newest_version(
    device: RealDevice, stranger: str
) -> None:
    draw, before = random.Random(SEED), untouched(device, stranger)
    for version in range(2, 5):
        device.apply(version, "two" if version % 2 == 0 else "one")
        time.sleep(draw.uniform(0.0, 2.0))  # the moment is the fault: nothing is waited for
        device.part.kill()
        device.rest(version, f"version {version}")
    assert untouched(device, stranger) == before


HANDS: dict[str, Callable[[RealDevice, str], None]] = {
    "removed": lambda device, one: device.api.remove_container(one, force=True),
    "stopped": lambda device, one: device.api.stop(one, timeout=0),
    "killed": lambda device, one: device.api.kill(one),
    "paused": lambda device, one: device.api.pause(one),
    "renamed": lambda device, one: device.api.rename(one, "edgetender-by-hand"),
}


def test_what_hands_do_to_a_container_is_undone_and_strangers_stay_as_they_are(
    device: RealDevice, stranger: str
) -> None:
    before = untouched(device, stranger)
    for name, hand in HANDS.items():
        (container,) = device.containers()
        hand(device, container["Id"])
        device.rest(1, f"the repair of what was {name}")
    assert untouched(device, stranger) == before


def test_an_engine_that_hangs_is_told_within_ten_seconds_and_afterwards_all_goes_on(
    device: RealDevice, own_engine: Dockerd
) -> None:
    """By status, by check, and upstream; whoever asks meanwhile is answered at once."""
    (container,) = device.containers()
    assert own_engine.part.identity is not None
    os.kill(own_engine.part.identity.pid, signal.SIGSTOP)
    told: dict[str, float] = {}
    try:
        began = time.monotonic()

        def all_know() -> bool:
            asked = time.monotonic()
            status = device.status()
            assert status is not None
            assert time.monotonic() - asked <= 5.0  # it waits for no engine
            for who, document in (("status", status), ("upstream", device.reported())):
                if document["engine"]["down"]:
                    told.setdefault(who, asked - began)
            return len(told) == 2

        until(all_know, "the news, by status and upstream")
        asked = time.monotonic()
        (found,) = device.client.post("/v1/checks", b'{"ids": ["docker-api"]}')["checks"]
        told["check"] = time.monotonic() - asked
    finally:
        os.kill(own_engine.part.identity.pid, signal.SIGCONT)
    assert found["severity"] == "error"
    assert max(told.values()) <= 10.0, told
    device.apply(2, "two")
    device.rest(2, "the next version")
    assert container["Id"] not in [one["Id"] for one in device.containers()]


def test_an_engine_that_is_busy_is_not_taken_for_one_that_hangs(
    device: RealDevice, own_engine: Dockerd
) -> None:
    """It takes in large images, one after the other, while its other calls are asked for."""
    layer = os.urandom(8 << 20) * 8
    names = [f"edgetender.test/busy:{number}" for number in range(4)]
    ended = threading.Event()

    def take_in() -> None:
        api = docker.APIClient(base_url=own_engine.socket, timeout=120)
        for name in names:
            api.import_image_from_data(one_file_tar(layer), repository=name.partition(":")[0], tag=name[-1])
        api.close()
        ended.set()

    threading.Thread(target=take_in, name="busy").start()
    try:
        while not ended.wait(0.2):
            status = device.status()
            assert status is not None
            assert status["engine"]["down"] is None
    finally:
        assert ended.wait(120)
        for name in names:
            device.api.remove_image(name, force=True)


def one_file_tar(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def test_an_engine_that_was_killed_is_noticed_and_its_containers_serve_again(
    device: RealDevice, own_engine: Dockerd
) -> None:
    own_engine.kill()
    down = until(lambda: (device.status() or {}).get("engine", {}).get("down"), "the news")
    assert "cannot" in down
    own_engine.start()
    device.rest(1, "the version")


def test_a_second_agent_on_the_same_state_ends_at_once_and_says_who_holds_it(device: RealDevice) -> None:
    assert device.part.identity is not None
    second = device.daemon("second", device.config)
    second.start()
    until(lambda: not second.runs, "its end", every_s=0.05)
    assert f"pid {device.part.identity.pid}" in second.tail()
    assert device.serves(1)
    other = device.home / "other.toml"  # a state directory of its own is no way around
    other.write_text(device.settings(device.home / "other", device.home / "other.sock"))
    second = device.daemon("other", other)
    second.start()
    until(lambda: not second.runs, "its end", every_s=0.05)
    assert f"pid {device.part.identity.pid}" in second.tail()
    device.part.kill()  # a lock whose holder was killed holds nobody up
    device.rest(1, "the version")
    assert device.ever(lambda: device.serves(1), 1.0)
