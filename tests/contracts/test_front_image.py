"""The traffic switch's image: an engine loads it, and its programs run in it with nothing else there."""

from __future__ import annotations

import contextlib
import json
import tarfile
from pathlib import Path

import docker
import pytest

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def client(own_engine):
    with contextlib.closing(docker.DockerClient(base_url=own_engine.socket, timeout=60)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["haproxy", "-v"], "HAProxy version"),
        (["nft", "--version"], "nftables"),
        (["sh", "-c", "sleep 0; echo a shell"], "a shell"),
    ],
    ids=["haproxy", "nft", "sh"],
)
def test_its_programs_run_without_network_rights_or_a_writable_file_system(
    client, front_archive, command, said
):
    with front_archive.open("rb") as archive:
        (image,) = client.images.load(archive)
    out = client.containers.run(
        image.id, command, remove=True, network_mode="none", cap_drop=["ALL"], read_only=True, user="65532"
    )
    assert said in out.decode()


def test_its_id_is_that_of_what_is_in_it(client, front_archive: Path):
    with tarfile.open(front_archive) as tar:
        told = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(told["Config"]))
    with front_archive.open("rb") as archive:
        (image,) = client.images.load(archive)
    assert image.id == f"sha256:{told['Config'].removesuffix('.json')}"
    assert set(config["config"]["Labels"]) == {
        "io.edgetender.front.busybox-static",
        "io.edgetender.front.haproxy",
        "io.edgetender.front.nftables",
    }
    assert "created" not in config
