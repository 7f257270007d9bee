"""Pulls that are kept to a bandwidth: a real engine fetches from a real registry through the agent."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import docker
import pytest

from demo.parts.registry import Registry
from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import ImageMissing, RegistryDenied, RegistryUnreachable
from edgetender.model.image import Credential, ImageReference, parse_reference
from edgetender.registry.images import RegistrySettings
from edgetender.registry.relay import Relay
from edgetender.secret import Secret
from tests.services import probe_image
from tests.services.engine import CACHE

pytestmark = pytest.mark.engine
USER = "line3"
NAME = "edgetender.test/ballast:1"
BALLAST = 3_000_000  # bytes that do not compress
RATE = 2_000_000.0


@pytest.fixture
def engine(engine_socket: str) -> Iterator[DockerEngine]:
    with contextlib.closing(DockerEngine(engine_socket, "relayed")) as engine:
        yield engine


@pytest.fixture
def credential(registry: Registry) -> Credential:
    return Credential(USER, Secret(registry.users[USER]))


@pytest.fixture
def pushed(registry: Registry, engine_client: docker.APIClient, engine_socket: str) -> ImageReference:
    """An image of some megabytes in the registry, and nowhere else."""
    import random

    noise = random.Random(5).randbytes(BALLAST)
    probe_image.build(engine_socket, CACHE, NAME, extra={"ballast": noise})
    name = f"{registry.host}/team/ballast"
    engine_client.tag(NAME, name, tag="1")
    login = {"username": USER, "password": registry.users[USER]}
    said = list(engine_client.push(name, tag="1", stream=True, decode=True, auth_config=login))
    (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
    for tag in (f"{name}:1", NAME):
        engine_client.remove_image(tag, force=True)
    return parse_reference(f"{name}@{digest}")


def relay(registry: Registry, rate: float = RATE) -> Relay:
    settings = {registry.host: RegistrySettings(registry.ca)}
    return Relay(settings, rate, timeout_s=5)


def test_a_pull_through_the_relay_takes_as_long_as_its_rate_says_and_leaves_one_image(
    engine: DockerEngine, registry: Registry, pushed: ImageReference, credential: Credential
) -> None:
    before = engine.images()
    began = time.monotonic()
    with relay(registry).serving(pushed, credential) as near:
        engine.pull(near, None, lambda _: True)
    took = time.monotonic() - began
    assert took >= BALLAST / RATE - 0.25
    asked: list[int] = []
    engine.pull(pushed, credential, lambda progress: not asked.append(progress.done_bytes))  # type: ignore[func-returns-value]
    assert max(asked, default=0) == 0  # no layer comes twice
    engine.remove_image(str(near))
    left = engine.images() - before
    assert str(pushed) in left
    assert not [name for name in left if name.startswith("127.0.0.1")]
    engine.remove_image(str(pushed))
    assert str(pushed) not in engine.images()


def test_what_the_registry_refuses_is_told_as_it_said_it(
    engine: DockerEngine, registry: Registry, pushed: ImageReference, credential: Credential
) -> None:
    absent = pushed.pinned("sha256:" + "0" * 64)
    for reference, given, expected in (
        (absent, credential, ImageMissing),
        (pushed, Credential(USER, Secret("wrong")), RegistryDenied),
        (parse_reference(f"127.0.0.1:9/team/x@{absent.digest}"), None, RegistryUnreachable),
    ):
        with pytest.raises(expected) as refused, relay(registry).serving(reference, given) as near:
            engine.pull(near, None, lambda _: True)
        assert str(reference) in str(refused.value)
        assert "wrong" not in str(refused.value)


def test_only_who_knows_the_pull_s_name_is_answered(
    registry: Registry, pushed: ImageReference, credential: Credential
) -> None:
    with relay(registry).serving(pushed, credential) as near:
        for path in (f"team/ballast/manifests/{pushed.digest}", "x/../etc/passwd", "_catalog"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://{near.registry}/v2/{path}", timeout=60)
            assert refused.value.code == 404
            refused.value.close()
        url = f"http://{near.registry}/v2/{near.repository}/manifests/{near.digest}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.headers["Docker-Content-Digest"] == pushed.digest
