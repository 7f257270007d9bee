"""Containers are weighed beside the loop, each look is news once, and one that cannot be measured is left out."""

from __future__ import annotations

import threading

from demo.parts.waiting import until
from edgetender.errors import EngineDown
from edgetender.model.observed import Container, Status
from edgetender.model.target import ContainerSpec
from edgetender.scales import Scales
from tests.fakes.engine import FakeEngine


def on(engine: FakeEngine, name: str) -> Container:
    engine.start(engine.create(ContainerSpec(name, "cpu", "image"), 1))
    return next(one for one in engine.containers() if one.module == name and one.status is Status.RUNNING)


def test_what_is_on_the_scales_is_weighed_and_told_once() -> None:
    engine = FakeEngine(images=["image"])
    one, other = on(engine, "one"), on(engine, "other")
    scales = Scales(engine)
    assert scales.weigh([one, other]) == {}
    scales.look()
    assert scales.weigh([one]) == {one.id: 4_000_000}
    assert scales.weigh([one]) == {}
    engine.fail_on("figures", EngineDown("cannot ask the engine"))
    scales.look()
    assert scales.weigh([one]) == {}
    scales.look()
    assert scales.weigh([]) == {}


def test_its_thread_weighs_while_something_is_on_the_scales_and_ends_when_it_is_closed() -> None:
    engine = FakeEngine(images=["image"])
    one, scales = on(engine, "one"), Scales(engine)
    thread = threading.Thread(target=scales.work)
    thread.start()
    try:
        scales.weigh([one])
        until(lambda: bool(scales.weigh([one])), "the first look")
        until(lambda: bool(scales.weigh([one])), "another")
    finally:
        scales.close()
        thread.join(60)
    assert not thread.is_alive()
