"""Secrets that reach a container: a file in memory that it alone is shown, in nothing that the engine tells."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import CredentialUnusable, EngineRefused
from edgetender.model.target import ContainerSpec
from tests.services.handing import Site, site

__all__ = ["site"]

CANARY = "canary/5d0f+42\n"


@pytest.fixture
def engine(engine_socket: str, site: Site) -> Iterator[DockerEngine]:
    engine = DockerEngine(engine_socket, "handed", secrets=site.folders)
    yield engine
    for container in engine.containers():
        engine.remove(container.id)
    engine.close()


def process_of(client: docker.APIClient, container: str) -> Path:
    return Path(f"/proc/{client.inspect_container(container)['State']['Pid']}")


@pytest.mark.engine
def test_a_container_reads_its_secrets_and_the_engine_tells_none(
    engine: DockerEngine, engine_image: str, engine_socket: str, site: Site
) -> None:
    site.know("camera", CANARY)
    site.know("broker", "another")
    client = docker.APIClient(base_url=engine_socket)
    container = engine.create(ContainerSpec("scorer", "cpu", engine_image, secrets=("camera",)), 1)
    engine.start(container)
    process = process_of(client, container)

    assert (process / "root/run/secrets/camera").read_text() == CANARY
    assert [one.name for one in (process / "root/run/secrets").iterdir()] == ["camera"]
    mounts = {line.split()[1]: line.split()[2:4] for line in (process / "mounts").read_text().splitlines()}
    kind, options = mounts["/run/secrets"]
    assert kind == "tmpfs"
    assert options.startswith("ro,")
    told = json.dumps(client.inspect_container(container))
    assert CANARY.strip() not in told
    assert CANARY.strip().encode() not in (process / "environ").read_bytes()

    engine.remove(container)
    assert list(site.memory.iterdir()) == []
    client.close()


@pytest.mark.engine
def test_after_the_device_came_up_again_they_are_there_before_the_container_starts(
    engine: DockerEngine, engine_image: str, engine_socket: str, site: Site
) -> None:
    site.know("camera", "before")
    container = engine.create(
        ContainerSpec("scorer", "cpu", engine_image, secrets=("camera",), read_only=True), 1
    )
    shutil.rmtree(site.memory)  # what was in memory is gone
    site.know("camera", "after")
    engine.start(container)
    client = docker.APIClient(base_url=engine_socket)

    assert (process_of(client, container) / "root/run/secrets/camera").read_text() == "after"
    client.close()


@pytest.mark.engine
def test_without_its_secrets_a_container_is_not_made(
    engine: DockerEngine, engine_image: str, engine_socket: str, site: Site
) -> None:
    site.know("camera", CANARY)
    with pytest.raises(CredentialUnusable, match=r"'other'.*put the secret there, then chmod 600"):
        engine.create(ContainerSpec("scorer", "cpu", engine_image, secrets=("camera", "other")), 1)
    assert engine.containers() == ()
    assert not site.memory.exists()
    unable = DockerEngine(engine_socket, "handed")
    with pytest.raises(EngineRefused, match="no place for them"):
        unable.create(ContainerSpec("scorer", "cpu", engine_image, secrets=("camera",)), 1)
    unable.close()


def test_nobody_else_on_the_device_reaches_what_each_user_of_the_container_may_read(site: Site) -> None:
    site.know("camera", CANARY)
    before = os.umask(0o077)  # the daemon's
    try:
        place = site.folders.lay("edgetender-scorer-1", ["camera"])
    finally:
        os.umask(before)

    modes = [stat.S_IMODE(one.stat().st_mode) for one in (site.memory, place, place / "camera")]
    assert modes == [0o700, 0o755, 0o444]


def test_a_secret_that_changed_takes_the_old_ones_place_whole(site: Site) -> None:
    site.know("camera", "first")
    place = site.folders.lay("one", ["camera"])
    with (place / "camera").open() as reading:
        site.know("camera", "second")
        site.folders.lay("one", ["camera"])
        assert reading.read() == "first"
    assert (place / "camera").read_text() == "second"
    assert [one.name for one in place.iterdir()] == ["camera"]


def test_any_bytes_are_a_secret(site: Site) -> None:
    path = site.credentials / "key"
    path.touch(mode=0o600)
    path.write_bytes(bytes(range(256)))

    assert (site.folders.lay("one", ["key"]) / "key").read_bytes() == bytes(range(256))


def test_a_secret_that_is_too_long_or_that_others_can_read_is_none(site: Site) -> None:
    site.know("long", "x" * 70_000)
    site.know("open", "x")
    (site.credentials / "open").chmod(0o644)

    for name, why in (
        ("long", "longer than"),
        ("open", "lets others read it"),
        ("../etc/passwd", "a name is"),
    ):
        with pytest.raises(CredentialUnusable, match=why):
            site.folders.lay("one", [name])


def test_a_place_that_cannot_be_written_says_so(site: Site) -> None:
    site.know("camera", CANARY)
    site.memory.write_text("in the way")

    with pytest.raises(CredentialUnusable, match=r"cannot hand secrets over in .*; may this user write to"):
        site.folders.lay("one", ["camera"])
