"""What only a real engine can show: pulls from a registry, and that a spec reaches the process it starts."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from demo.parts.dockerd import Dockerd
from demo.parts.process import free_port
from demo.parts.registry import Registry
from demo.parts.waiting import until
from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import (
    EngineDown,
    FrontDown,
    ImageMissing,
    PullStalled,
    RegistryDenied,
    RegistryUnreachable,
)
from edgetender.model.image import Credential, ImageReference, parse_reference
from edgetender.model.observed import PullProgress, Status
from edgetender.model.target import ContainerSpec, Mount, PublishedPort
from edgetender.secret import Secret
from tests.fakes.stalling_registry import StallingRegistry
from tests.services.engine import left_behind

pytestmark = pytest.mark.engine
USER = "line3"
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def engine(engine_socket: str) -> Iterator[DockerEngine]:
    engine = DockerEngine(engine_socket, "puller")
    yield engine
    for container in engine.containers():
        engine.remove(container.id)
    engine.close()


@pytest.fixture
def credential(registry: Registry) -> Credential:
    return Credential(USER, Secret(registry.users[USER]))


@pytest.fixture
def pushed(registry: Registry, engine_image: str, engine_client: docker.APIClient) -> ImageReference:
    """The probe image in the registry, and no longer in the engine under that name."""
    name = f"{registry.host}/team/probe"
    engine_client.tag(engine_image, name, tag="1")
    login = {"username": USER, "password": registry.users[USER]}
    said = list(engine_client.push(name, tag="1", stream=True, decode=True, auth_config=login))
    (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
    engine_client.remove_image(f"{name}:1")
    return parse_reference(f"{name}@{digest}")


def test_a_pull_tells_how_far_it_is_and_leaves_the_pinned_image(
    engine: DockerEngine,
    engine_client: docker.APIClient,
    pushed: ImageReference,
    credential: Credential,
    engine_image: str,
) -> None:
    with contextlib.suppress(docker.errors.ImageNotFound):
        engine_client.remove_image(str(pushed))
    engine_client.remove_image(engine_image, force=True)  # its layer would be here already
    assert str(pushed) not in engine.images()
    seen: list[PullProgress] = []
    try:
        engine.pull(pushed, credential, lambda progress: not seen.append(progress))  # type: ignore[func-returns-value]
        assert str(pushed) in engine.images()
    finally:
        repository, _, tag = engine_image.rpartition(":")
        engine_client.tag(str(pushed), repository, tag=tag)
    assert {one.reference for one in seen} == {str(pushed)}
    last = seen[-1]
    assert (last.layers_done, last.layers_total) == (1, 1)
    assert last.done_bytes == last.total_bytes == last.unpacked_bytes
    assert last.done_bytes > 500_000
    assert last.started_at


@pytest.mark.parametrize("given", [None, Credential(USER, Secret("wrong"))], ids=["none", "wrong password"])
def test_a_pull_without_the_right_credential_is_denied(
    engine: DockerEngine, pushed: ImageReference, given: Credential | None
) -> None:
    with pytest.raises(RegistryDenied, match="credential") as refused:
        engine.pull(pushed.pinned(ABSENT), given, lambda _: True)
    assert "wrong" not in str(refused.value)


def test_an_image_the_registry_has_not_is_missing(
    engine: DockerEngine, pushed: ImageReference, credential: Credential
) -> None:
    with pytest.raises(ImageMissing):
        engine.pull(pushed.pinned(ABSENT), credential, lambda _: True)
    with pytest.raises(ImageMissing):
        engine.pull(parse_reference(f"{pushed.registry}/team/nothing:1"), credential, lambda _: True)


def test_a_registry_that_is_not_there_is_unreachable(engine: DockerEngine) -> None:
    with pytest.raises(RegistryUnreachable):
        engine.pull(parse_reference(f"localhost:{free_port()}/team/probe@{ABSENT}"), None, lambda _: True)


def test_a_registry_that_is_silent_is_given_up_when_the_caller_says_so(engine: DockerEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = parse_reference(f"localhost:{silent.getsockname()[1]}/team/probe@{ABSENT}")
        asked: list[PullProgress] = []

        def thrice(progress: PullProgress) -> bool:
            asked.append(progress)
            return len(asked) < 3

        with pytest.raises(PullStalled):
            engine.pull(reference, None, thrice)
    assert [one.done_bytes for one in asked] == [0, 0, 0]


def test_a_layer_that_stops_coming_is_noticed_and_the_next_try_begins_anew(engine: DockerEngine) -> None:
    with StallingRegistry() as registry:
        for fetches in (1, 2):
            moved: list[PullProgress] = []
            ticks: list[PullProgress] = []

            def patient(
                progress: PullProgress, moved: list[PullProgress] = moved, ticks: list[PullProgress] = ticks
            ) -> bool:
                (moved if not moved or progress.done_bytes > moved[-1].done_bytes else ticks).append(progress)
                return len(ticks) < 5

            with pytest.raises(PullStalled):
                engine.pull(parse_reference(registry.reference), None, patient)
            assert registry.fetches == fetches
            assert 0 < moved[-1].done_bytes <= registry.SENT < registry.SIZE == moved[-1].total_bytes


def test_environment_ports_and_volumes_reach_the_process(engine: DockerEngine, engine_image: str) -> None:
    port = free_port()
    spec = ContainerSpec(
        "scorer",
        "cpu",
        engine_image,
        env=(("MODEL", "diabetes"),),
        ports=(PublishedPort(port, 5001, "tcp", "127.0.0.1"),),
        mounts=(Mount("cache", "/www/cache", read_only=False),),
    )
    container = engine.create(spec, 1)
    engine.start(container)

    def answer() -> bytes | None:
        address = f"http://127.0.0.1:{port}/cgi-bin/env"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2) as said:
            return bytes(said.read())
        return None

    assert b"MODEL=diabetes" in until(answer, "an answer")


def test_a_process_has_no_capability_gains_none_and_writes_to_memory_alone(
    engine: DockerEngine, engine_image: str, engine_client: docker.APIClient
) -> None:
    spec = ContainerSpec("scorer", "cpu", engine_image, read_only=True)
    container = engine.create(spec, 1)
    engine.start(container)
    process = Path(f"/proc/{engine_client.inspect_container(container)['State']['Pid']}")

    status = dict(
        line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
    )
    mounts = {line.split()[1]: line.split()[2:4] for line in (process / "mounts").read_text().splitlines()}

    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert mounts["/"][1].startswith("ro,")
    assert mounts["/tmp"][0] == "tmpfs"


def test_many_threads_may_ask_at_once(engine: DockerEngine, engine_image: str) -> None:
    failures: list[BaseException] = []

    def ask(module: str) -> None:
        try:
            container = engine.create(ContainerSpec(module, "cpu", engine_image), 1)
            engine.start(container)
            engine.containers()
            engine.remove(container)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(f"m{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert engine.containers() == ()


# docker-py leaves a socket that could not connect to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_restarts_is_down_and_then_found_again(own_engine: Dockerd, engine_image: str) -> None:
    with contextlib.closing(DockerEngine(own_engine.socket, "restarted", timeout_s=5)) as engine:
        container = engine.create(ContainerSpec("scorer", "cpu", engine_image), 1)
        engine.start(container)
        ended: list[str] = []

        def watch() -> None:
            try:
                engine.watch(lambda: None, lambda: False)
            except EngineDown as error:
                ended.append(str(error))

        watcher = threading.Thread(target=watch)
        watcher.start()
        own_engine.stop()
        try:
            watcher.join(60)
            assert len(ended) == 1
            with pytest.raises(EngineDown):
                engine.containers()
        finally:
            own_engine.start()
        (found,) = engine.containers()
        assert (found.id, found.status) == (container, Status.EXITED)
        engine.start(container)
        engine.remove(container)
    gc.collect()


def test_a_container_that_an_ended_engine_left_a_trace_of_is_made_way_for(
    own_engine: Dockerd, engine_image: str
) -> None:
    with contextlib.closing(DockerEngine(own_engine.socket, "traced")) as engine:
        container = engine.create(ContainerSpec("scorer", "cpu", engine_image), 1)
        left_behind(own_engine, container)
        with pytest.raises(FrontDown, match="made anew"):
            engine.start(container)
        assert engine.containers() == ()
        again = engine.create(ContainerSpec("scorer", "cpu", engine_image), 1)
        engine.start(again)
        engine.remove(again)
