"""A pull through the relay that ends early: nothing of it goes on, and its engine's reason is not talked over."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from collections.abc import Iterator

import pytest

from demo.parts.waiting import until
from edgetender.errors import DiskFull
from edgetender.model.image import ImageReference, parse_reference
from edgetender.registry.images import RegistrySettings
from edgetender.registry.relay import Relay
from tests.fakes.oci_registry import OciRegistry

BLOB = bytes(64 * 2**20)
DIGEST = "sha256:" + hashlib.sha256(BLOB).hexdigest()
FAST, SLOW = 20_000_000.0, 4_000.0


@pytest.fixture
def registry() -> Iterator[OciRegistry]:
    with OciRegistry() as registry:
        registry.blobs["team/scorer", DIGEST] = BLOB
        registry.manifests["team/scorer", DIGEST] = b"{}"
        yield registry


@pytest.fixture
def reference(registry: OciRegistry) -> ImageReference:
    return parse_reference(f"{registry.host}/team/scorer@{DIGEST}")


def relay(registry: OciRegistry, rate: float) -> Relay:
    return Relay({registry.host: RegistrySettings(plain_http=True)}, rate, timeout_s=5)


def asked(near: ImageReference, kind: str = "blobs") -> http.client.HTTPResponse:
    """The relay's answer, its body unread."""
    wire = http.client.HTTPConnection(near.registry, timeout=60)
    wire.request("GET", f"/v2/{near.repository}/{kind}/{near.digest}")
    answer = wire.getresponse()
    wire.close()
    return answer


@pytest.mark.parametrize("read", [64 * 1024, 0])
def test_what_a_pull_had_asked_for_ends_with_it_also_when_the_engine_does_not_hang_up(
    registry: OciRegistry, reference: ImageReference, read: int
) -> None:
    before = set(threading.enumerate())
    with relay(registry, FAST).serving(reference, None) as near:
        answer = asked(near)
        assert len(answer.read(read)) == read
    with answer:
        until(lambda: set(threading.enumerate()) <= before, "the end of it, on both sides")
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()


def test_a_pull_that_ended_early_leaves_no_debt_to_the_next(
    registry: OciRegistry, reference: ImageReference
) -> None:
    bounded = relay(registry, SLOW)
    with bounded.serving(reference, None) as near:
        answers = [asked(near) for _ in range(4)]
        assert all(answer.read(100) for answer in answers)
    for answer in answers:
        answer.close()
    began = time.monotonic()
    with bounded.serving(reference, None) as near, asked(near, "manifests") as answer:
        assert answer.read() == b"{}"
    assert time.monotonic() - began < 15  # four whole pieces at that rate would be 16 s


def given_up(bounded: Relay, reference: ImageReference) -> None:
    """The engine hangs up in the middle, because its disk is full."""
    with bounded.serving(reference, None) as near:
        before = set(threading.enumerate())
        with asked(near) as answer:
            answer.read(1000)
        until(lambda: set(threading.enumerate()) <= before, "that it is noticed")
        raise DiskFull("cannot pull: no space left on device")


def test_an_engine_that_hangs_up_says_itself_why(registry: OciRegistry, reference: ImageReference) -> None:
    with pytest.raises(DiskFull, match="no space left on device"):
        given_up(relay(registry, FAST), reference)
