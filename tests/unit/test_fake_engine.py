"""What the fake engine promises beyond the contract: faults on demand, and a record of what was done."""

from __future__ import annotations

import pytest

from edgetender.errors import DiskFull, EngineDown, EngineRefused, ImageMissing, PullStalled
from edgetender.model.image import parse_reference
from edgetender.model.observed import PullProgress, Status
from edgetender.model.target import ContainerSpec
from tests.fakes.engine import FakeEngine

SPEC = ContainerSpec("scorer", "cpu", "probe")
REFERENCE = parse_reference("registry.example/scorer@sha256:" + "a" * 64)


def test_the_nth_effect_fails_once() -> None:
    engine = FakeEngine(images=["probe"])
    engine.fail_on(2, EngineRefused("no"))
    container = engine.create(SPEC, 1)
    with pytest.raises(EngineRefused):
        engine.start(container)
    engine.start(container)
    assert engine.effects == [("create", "scorer"), ("start", container)]
    assert engine.running == {"scorer"}


def test_an_answer_may_be_lost_after_the_effect() -> None:
    engine = FakeEngine(images=["probe"])
    engine.fail_on("create", EngineDown("lost"), done=True)
    with pytest.raises(EngineDown):
        engine.create(SPEC, 1)
    assert [one.status for one in engine.containers()] == [Status.CREATED]


def test_a_method_fails_as_often_as_told() -> None:
    engine = FakeEngine()
    engine.fail_on("images", DiskFull("full"), times=2)
    for _ in range(2):
        with pytest.raises(DiskFull):
            engine.images()
    assert engine.images() == frozenset()


def test_a_pull_reports_on_the_way_and_leaves_the_image() -> None:
    engine = FakeEngine(registry=[str(REFERENCE)])
    seen: list[PullProgress] = []
    engine.pull(REFERENCE, None, lambda progress: seen.append(progress) or True)  # type: ignore[func-returns-value]
    assert [one.done_bytes for one in seen] == [750, 1500, 2250]
    assert str(REFERENCE) in engine.images()
    with pytest.raises(ImageMissing):
        engine.pull(REFERENCE.pinned("sha256:" + "b" * 64), None, lambda _: True)


def test_a_stalled_pull_ends_when_it_is_given_up() -> None:
    engine = FakeEngine(registry=[str(REFERENCE)])
    engine.stalled.add(str(REFERENCE))
    left = iter(range(20))
    with pytest.raises(PullStalled):
        engine.pull(REFERENCE, None, lambda _: next(left, None) is not None)
    assert engine.images() == frozenset()
