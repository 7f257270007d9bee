"""What a container cannot do to its device: fill its disk with a log, its process table, or pass for another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from demo.parts.waiting import until
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.model.target import ContainerSpec

pytestmark = pytest.mark.engine
PIDS = 24
MB = 10**6


@pytest.fixture
def engine(engine_socket: str) -> Iterator[DockerEngine]:
    engine = DockerEngine(engine_socket, "tended")
    yield engine
    for container in engine.containers():
        engine.remove(container.id)
    engine.close()


@pytest.fixture
def container(engine: DockerEngine, engine_image: str) -> str:
    made = engine.create(ContainerSpec("scorer", "cpu", engine_image, pids=PIDS), 1)
    engine.start(made)
    return made


def does(engine_client: docker.APIClient, container: str, script: str) -> str:
    """*script* runs inside, on its own from now on; its id."""
    asked = str(engine_client.exec_create(container, ["sh", "-c", script])["Id"])
    engine_client.exec_start(asked, detach=True)
    return asked


def test_a_container_that_forks_without_end_hits_its_own_bound(
    engine_client: docker.APIClient, container: str
) -> None:
    forking = does(engine_client, container, "while :; do sleep 1000 & done")
    until(lambda: not engine_client.exec_inspect(forking)["Running"], "the fork that is refused")
    assert engine_client.exec_inspect(forking)["ExitCode"] != 0
    found = engine_client.stats(container, stream=False)["pids_stats"]
    assert found["limit"] == PIDS
    assert PIDS // 2 < found["current"] <= PIDS


def test_of_sixty_megabytes_of_a_containers_log_thirty_are_kept(
    engine_client: docker.APIClient, container: str
) -> None:
    log = Path(engine_client.inspect_container(container)["LogPath"])
    line = "x" * 8000
    writing = does(
        engine_client,
        container,
        f"n=0; while [ $n -lt 7500 ]; do echo {line}; n=$((n + 1)); done > /proc/1/fd/1",
    )
    until(lambda: not engine_client.exec_inspect(writing)["Running"], "the last line")
    assert engine_client.exec_inspect(writing)["ExitCode"] == 0
    kept = [file.stat().st_size for file in log.parent.glob(f"{log.name}*")]
    assert len(kept) == 3
    assert sum(kept) < 31 * MB


def test_labels_of_an_image_are_not_taken_for_ours(
    engine: DockerEngine,
    engine_client: docker.APIClient,
    engine_image: str,
    engine_socket: str,
    tmp_path: Path,
) -> None:
    """Whoever built it could otherwise hide a container from its agent, or have a stream or a secret that is not its own."""
    claimed = {
        "role": "front",
        "module": "other",
        "version": "99",
        "streams": "alarms=durable",
        "secrets": "key",
    }
    lines = "".join(f"LABEL io.edgetender.{name}={value}\n" for name, value in claimed.items())
    base = engine_client.create_container(engine_image)["Id"]
    liar = engine_client.commit(base, repository="edgetender.test/liar", changes=lines.strip())["Id"]
    engine_client.remove_container(base)
    made = engine.create(ContainerSpec("scorer", "cpu", liar), 1)
    try:
        engine.start(made)
        (found,) = engine.containers()
        assert (found.id, found.module, found.version, found.streams) == (made, "scorer", 1, ())
        fronts = DockerFronts(engine_socket, "tended", home=tmp_path, archive=None)
        assert fronts.observe() == ()
        fronts.close()
    finally:
        engine.remove(made)
        engine_client.remove_image(liar, force=True)
