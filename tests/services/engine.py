"""A real Docker Engine for tests: private, one per pytest worker, started on first use, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from demo.parts.dockerd import Dockerd
from tests.services import probe_image

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".demo" / "cache"


def why_no_engine() -> str | None:
    """The reason why this machine cannot start an engine of its own; None if it can."""
    if os.geteuid() != 0:
        return "starting a private dockerd needs root"
    if shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin") is None:
        return "dockerd is not installed: apt-get install docker.io"
    return None


@pytest.fixture(scope="session")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """The engine itself, for tests that restart or kill it; they leave it running."""
    if reason := why_no_engine():
        pytest.skip(reason)
    engine = Dockerd(tmp_path_factory.mktemp("dockerd"))
    try:
        engine.start()
        yield engine
    finally:
        engine.remove()


@pytest.fixture
def engine_socket(own_engine: Dockerd) -> str:
    """`unix:///…` of an engine that answers and that only this worker uses."""
    return own_engine.socket


@pytest.fixture
def engine_client(engine_socket: str) -> Iterator[docker.APIClient]:
    """The engine as another program sees it."""
    with contextlib.closing(docker.APIClient(base_url=engine_socket, timeout=60)) as client:
        yield client


@pytest.fixture(scope="session")
def engine_image(own_engine: Dockerd) -> str:
    """The probe image's name, present in the engine; see tests/services/probe_image.py for what it can do."""
    return probe_image.build(own_engine.socket, CACHE)


def left_behind(engine: Dockerd, container: str) -> None:
    """What an engine that ended while it started *container* may leave: no start of it succeeds any more."""
    tasks = Path(f"/run/et-{engine._id}/x/containerd/daemon/io.containerd.runtime.v2.task")
    (tasks / engine._id / container).mkdir(parents=True)
