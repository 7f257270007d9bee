"""The promises of `ports.Engine`, kept by the real engine and by the fake that the loop is tested with."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import docker
import pytest

from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.clock import parse_rfc3339
from edgetender.errors import EngineDown, EngineRefused, NotFound
from edgetender.model.observed import Status
from edgetender.model.target import PublishedPort
from edgetender.ports import Engine
from tests.services.engine_bench import Bench, fake_bench, real_bench


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "real":
        image = request.getfixturevalue("engine_image")
        yield from real_bench(
            request.getfixturevalue("engine_socket"), image, request.getfixturevalue("tmp_path")
        )
    else:
        yield fake_bench()


def test_a_started_container_says_what_it_is(bench: Bench) -> None:
    spec = bench.spec()
    container = bench.seen(bench.run(spec, version=7))
    assert container.status is Status.RUNNING
    assert (container.module, container.variant, container.version) == (bench.module, "cpu", 7)
    assert (container.spec, container.image) == (spec.digest, bench.image)
    assert container.address
    assert container.started_at
    assert container.exit_code is None
    assert container.finished_at is None


def test_a_created_container_does_not_run_yet(bench: Bench) -> None:
    container = bench.seen(bench.engine.create(bench.spec(), 1))
    assert container.status is Status.CREATED
    assert container.started_at is None
    assert container.address is None


def test_a_spec_that_has_a_container_already_is_adopted(bench: Bench) -> None:
    first = bench.engine.create(bench.spec(), 1)
    assert bench.engine.create(bench.spec(), 2) == first
    assert bench.engine.create(bench.spec(OTHER="value"), 2) != first


def test_an_image_that_is_not_here_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound, match=bench.module):
        bench.engine.create(bench.spec(image="edgetender.test/nothing:1"), 1)


def test_starting_and_stopping_twice_is_as_good_as_once(bench: Bench) -> None:
    container = bench.run(bench.spec())
    bench.engine.start(container)
    bench.engine.stop(container, 5)
    bench.engine.stop(container, 5)
    ended = bench.seen(container)
    assert (ended.status, ended.exit_code) == (Status.EXITED, 0)
    assert ended.finished_at
    bench.engine.start(container)
    assert bench.seen(container).status is Status.RUNNING


def test_a_container_that_ignores_sigterm_ends_when_its_grace_does(bench: Bench) -> None:
    container = bench.run(bench.spec(IGNORE_TERM="1"))
    begun = time.monotonic()
    bench.engine.stop(container, 1)
    assert time.monotonic() - begun < 10  # Docker's own grace, were ours not said
    assert bench.seen(container).exit_code == 137


def test_removing_is_done_when_it_is_gone_whoever_did_it(bench: Bench) -> None:
    container = bench.run(bench.spec())
    bench.engine.remove(container)
    assert bench.look(container) is None
    bench.engine.remove(container)
    bench.engine.stop(container, 1)
    with pytest.raises(NotFound):
        bench.engine.start(container)


def test_an_image_is_removed_unless_a_container_needs_it(bench: Bench) -> None:
    container = bench.engine.create(bench.spec(image=bench.spare), 1)
    with pytest.raises(EngineRefused):
        bench.engine.remove_image(bench.spare)
    assert bench.spare in bench.engine.images()
    bench.engine.remove(container)
    for _ in range(2):  # gone already is done
        bench.engine.remove_image(bench.spare)
        assert bench.spare not in bench.engine.images()


def test_another_devices_containers_are_neither_seen_nor_touched(bench: Bench) -> None:
    theirs = bench.neighbour.create(bench.spec(), 1)
    bench.neighbour.start(theirs)
    assert bench.look(theirs) is None
    bench.engine.stop(theirs, 1)
    bench.engine.remove(theirs)
    for touch in (bench.engine.start, bench.engine.logs):
        with pytest.raises(NotFound):
            touch(theirs)
    with pytest.raises(EngineRefused, match="taken"):
        bench.engine.create(bench.spec(), 1)
    assert [one.status for one in bench.neighbour.containers() if one.id == theirs] == [Status.RUNNING]


def test_a_killed_container_shows_its_exit_code(bench: Bench) -> None:
    container = bench.run(bench.spec())
    bench.kill(container)
    ended = bench.ended(container)
    assert (ended.exit_code, ended.oom_killed) == (137, False)


def test_running_out_of_memory_is_told_from_a_crash(bench: Bench) -> None:
    container = bench.run(bench.spec(image=bench.greedy))
    bench.run_out_of_memory(container)
    ended = bench.ended(container)
    assert (ended.exit_code, ended.oom_killed) == (137, True)


def test_logs_are_lines_and_tail_takes_the_last(bench: Bench) -> None:
    container = bench.run(bench.spec(LINES="5"))
    assert list(bench.engine.logs(container)) == [*(f"line {number}" for number in range(1, 6)), "started"]
    assert list(bench.engine.logs(container, tail=2)) == ["line 5", "started"]


def test_logs_tell_their_moments_and_end_at_one(bench: Bench) -> None:
    container = bench.run(bench.spec(LINES="3"))
    stamped = [line.partition(" ") for line in bench.engine.logs(container, timestamps=True)]
    assert [text for _, _, text in stamped] == ["line 1", "line 2", "line 3", "started"]
    moments = [parse_rfc3339(at) for at, _, _ in stamped]
    assert moments == sorted(moments)
    assert not list(bench.engine.logs(container, until=moments[0] - timedelta(seconds=1)))
    assert len(list(bench.engine.logs(container, until=moments[-1] + timedelta(seconds=1)))) == 4


def test_followed_logs_end_with_the_container(bench: Bench) -> None:
    container = bench.run(bench.spec())
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(bench.engine.logs(container, follow=True)))
    reader.start()
    bench.engine.stop(container, 5)
    reader.join(60)
    assert not reader.is_alive()
    assert lines[0] == "started"


def test_figures_are_those_of_running_containers(bench: Bench) -> None:
    running = bench.run(bench.spec())
    bench.engine.create(bench.spec(OTHER="value"), 1)
    (figures,) = bench.engine.figures(bench.engine.containers())
    assert figures.module == bench.seen(running).module
    assert figures.cpu_seconds > 0
    assert 0 < figures.memory_bytes < 32 * 1024**2
    assert figures.memory_limit_bytes == 32 * 1024**2


def test_two_containers_cannot_hold_one_host_port(bench: Bench) -> None:
    port = PublishedPort(free_port(), 5001, "tcp", "127.0.0.1")
    bench.run(bench.spec(ports=(port,)))
    second = bench.engine.create(bench.spec(ports=(port,), OTHER="value"), 1)
    with pytest.raises(EngineRefused, match="port is already allocated"):
        bench.engine.start(second)
    assert not bench.seen(second).running


def test_events_wake_until_told_to_stop(bench: Bench) -> None:
    container = bench.run(bench.spec())
    woken, stopping = threading.Event(), threading.Event()
    watcher = threading.Thread(target=bench.engine.watch, args=(woken.set, stopping.is_set))
    watcher.start()
    try:

        def provoke() -> bool:  # the watcher may not listen yet at the first one
            with contextlib.suppress(docker.errors.APIError):
                bench.kill(container)
            bench.engine.start(container)
            return woken.wait(0.5)

        until(provoke, "the wake")
    finally:
        stopping.set()
        watcher.join(60)
    assert not watcher.is_alive()


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.containers(),
        lambda engine: engine.images(),
        lambda engine: engine.start("0" * 64),
        lambda engine: engine.facts(),
        lambda engine: engine.free_bytes(),
        lambda engine: engine.watch(lambda: None, lambda: False),
    ],
    ids=["containers", "images", "start", "facts", "free_bytes", "watch"],
)
def test_an_engine_that_is_not_there_is_down(bench: Bench, call: Callable[[Engine], object]) -> None:
    with pytest.raises(EngineDown):
        call(bench.unplugged)


def test_facts_and_space_are_known(bench: Bench) -> None:
    facts = bench.engine.facts()
    assert facts.version
    assert facts.architecture
    assert "runc" in facts.runtimes
    assert (bench.engine.free_bytes() or 0) > 0
