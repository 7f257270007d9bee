"""No file descriptor is left, or no memory: nobody is refused for it, and what cannot be looked at does not count as gone."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgetender.errors import Exhausted
from edgetender.model.examined import AS_IT_IS, Examined, Floor, Identity
from edgetender.model.topics import DesiredCode
from edgetender.trust.device import DeviceTrust
from edgetender.trust.floor import FloorFiles
from edgetender.trust.marks import Marks
from tests.builders.loops import Loop
from tests.builders.manifests import manifest

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(next_one := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_manifest_is_not_refused_because_the_policy_cannot_be_opened_just_now(tmp_path: Path):
    trust = DeviceTrust(tmp_path, Identity(), required=False, policy=tmp_path / "policy.toml")

    with no_descriptor_left(), pytest.raises(Exhausted, match=r"policy\.toml: Too many open files"):
        trust.examine(b"{}", NOON)

    assert trust.examine(b"{}", NOON).refused == ()


class Short:
    """A trust that has no memory to look with, for as long as the test says."""

    short = True

    def floor(self) -> None:
        return None

    def keep(self, _floor: Floor) -> bool:
        return True

    def examine(self, _body: bytes, _now: datetime) -> Examined:
        if self.short:
            raise MemoryError
        return AS_IT_IS


def test_a_manifest_for_which_there_is_no_memory_just_now_is_decided_by_the_next_start():
    trust = Short()
    loop = Loop(trust=trust)
    loop.push(manifest(1))
    with pytest.raises(MemoryError):
        loop.cycle()
    trust.short = False
    loop.boot()
    loop.cycle()
    assert loop.last.ledger.desired is not None
    assert loop.last.ledger.desired.code == DesiredCode.APPLYING


def test_a_floor_that_cannot_be_read_just_now_is_not_taken_for_none(tmp_path: Path):
    floors = FloorFiles(tmp_path)
    floors.write(Floor(1, 7))

    with no_descriptor_left(), pytest.raises(Exhausted):
        floors.read()

    assert floors.read() == Floor(1, 7)


def test_a_mark_that_cannot_be_read_just_now_is_not_taken_for_lost(tmp_path: Path):
    marks = Marks(tmp_path, tmp_path / "state")
    marks.begin()

    with no_descriptor_left(), pytest.raises(Exhausted):
        marks.lost()

    assert not marks.lost()
