"""Fetching beside the loop: what a pull ends with, and what ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from demo.parts.waiting import until
from edgetender.errors import (
    CredentialUnusable,
    DiskFull,
    EngineDown,
    ImageMissing,
    PullStalled,
    RegistryDenied,
    RegistryUnreachable,
)
from edgetender.model.image import NEAR, Credential, ImageFacts, ImageReference, parse_reference
from edgetender.model.observed import PullProgress
from edgetender.model.plan import PullOutcome
from edgetender.model.target import ImageWanted
from edgetender.puller import Puller
from edgetender.secret import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.engine import FakeEngine
from tests.fakes.registry import FakeImages

DIGEST = "sha256:" + "a" * 64
NAME = "registry.example/team/scorer"
PINNED = f"{NAME}@{DIGEST}"
MIB = 2**20


def facts(size_bytes: int = 10 * MIB) -> ImageFacts:
    return ImageFacts(DIGEST, DIGEST, "amd64", "", "linux", size_bytes, ())


class ScriptedEngine(FakeEngine):
    """Its pull says *steps*, one per second of *clock*, and ends well after the last."""

    def __init__(self, clock: FakeClock, steps: list[PullProgress]) -> None:
        super().__init__(registry=[PINNED])
        self.clock, self.steps = clock, steps

    def pull(
        self,
        reference: ImageReference,
        credential: Credential | None,
        progress: Callable[[PullProgress], bool],
    ) -> None:
        for step in self.steps:
            if not progress(step):
                raise PullStalled(f"cannot pull {reference}: given up")
            self.clock.advance(1)
        self.world.images.add(str(reference))


class Bench:
    """One puller on fakes, with a worker thread once something is fetched."""

    def __init__(self, engine: FakeEngine | None = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.engine = engine or FakeEngine(registry=[PINNED])
        self.images, self.credentials = FakeImages(), FakeCredentials()
        self.images.hold(parse_reference(f"{NAME}:1"), facts())
        self.stopping, self.woken = threading.Event(), threading.Event()
        self.puller = Puller(
            self.engine,
            self.images,
            self.credentials,
            self.clock,
            architecture="amd64",
            stall_s=5.0,
            wake=self.woken.set,
            stopping=self.stopping,
        )
        self.thread = threading.Thread(target=self.puller.work, daemon=True)

    def fetch(self, reference: str = f"{NAME}:1", credential: str | None = None) -> PullOutcome:
        if not self.thread.is_alive():
            self.thread.start()
        self.puller.submit(ImageWanted("scorer", reference, credential))
        assert self.woken.wait(60)
        self.woken.clear()
        (outcome,) = self.puller.finished()
        return outcome


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.stopping.set()
    bench.puller.close(1)


def test_a_pull_ends_with_the_digest_its_tag_named_and_how_long_it_took(bench: Bench) -> None:
    outcome = bench.fetch()
    assert (outcome.pinned, outcome.error, outcome.size_bytes) == (PINNED, None, 10 * MIB)
    assert PINNED in bench.engine.images()
    assert bench.puller.progress() == ()
    assert bench.puller.finished() == ()


def test_what_is_here_already_is_not_fetched(bench: Bench) -> None:
    bench.engine.world.images.add(PINNED)
    bench.engine.free = 0
    assert bench.fetch().pinned == PINNED
    assert bench.engine.effects == []


def test_what_is_under_way_is_not_fetched_twice(bench: Bench) -> None:
    bench.engine.stalled.add(PINNED)
    bench.thread.start()
    for _ in range(3):
        bench.puller.submit(ImageWanted("scorer", f"{NAME}:1"))
    until(lambda: [one for one in bench.puller.progress() if one.done_bytes], "progress")
    (progress,) = bench.puller.progress()
    assert progress.reference == f"{NAME}:1"
    assert progress.started_at == bench.clock.now()
    bench.engine.stalled.clear()
    assert bench.woken.wait(60)
    assert len(bench.puller.finished()) == 1
    assert bench.engine.effects == [("pull", PINNED)]


def test_the_total_is_the_registrys_until_the_engine_knows_it() -> None:
    clock = FakeClock()
    seen: list[PullProgress] = []
    engine = ScriptedEngine(clock, [PullProgress(PINNED, 1), PullProgress(PINNED, 2, total_bytes=99)])
    bench = Bench(engine, clock)
    clock.advance = lambda _seconds: seen.extend(bench.puller.progress())  # type: ignore[method-assign]
    bench.fetch()
    bench.puller.close(1)
    assert [one.total_bytes for one in seen] == [10 * MIB, 99]


def test_a_pull_that_does_not_move_is_given_up_after_the_stall_time_out() -> None:
    clock = FakeClock()
    bench = Bench(ScriptedEngine(clock, [PullProgress(PINNED, 1)] * 100), clock)
    began = clock.monotonic()
    outcome = bench.fetch()
    bench.puller.close(1)
    assert isinstance(outcome.error, PullStalled)
    assert clock.monotonic() - began == 5
    assert outcome.seconds == 5


@pytest.mark.parametrize("moves", ["done_bytes", "layers_done", "unpacked_bytes"])
def test_a_pull_that_moves_slowly_is_left_alone_also_while_it_only_unpacks(moves: str) -> None:
    clock = FakeClock()
    steps = [PullProgress(PINNED, **{moves: count // 4}) for count in range(60)]
    bench = Bench(ScriptedEngine(clock, steps), clock)
    outcome = bench.fetch()
    bench.puller.close(1)
    assert (outcome.error, outcome.pinned, outcome.seconds) == (None, PINNED, 60)


def test_an_image_that_would_fill_the_disk_is_refused_before_the_first_byte(bench: Bench) -> None:
    bench.engine.free = 500 * MIB
    error = bench.fetch().error
    assert isinstance(error, DiskFull)
    assert "500 MiB are free" in str(error)
    assert bench.engine.effects == []


def test_where_the_engines_disk_is_not_known_the_pull_is_tried(bench: Bench) -> None:
    bench.engine.free = None
    assert bench.fetch().error is None


def test_a_credential_is_used_by_name(bench: Bench) -> None:
    bench.images.users["registry.example"] = {"line3": "hunter2"}
    assert isinstance(bench.fetch().error, RegistryDenied)
    bench.credentials.held["pull"] = Credential("line3", Secret("hunter2"), "pull")
    assert bench.fetch(credential="pull").error is None


def test_a_credential_that_cannot_be_used_fails_the_pull_without_asking_the_registry(bench: Bench) -> None:
    error = bench.fetch(credential="pull").error
    assert isinstance(error, CredentialUnusable)
    assert bench.images.asked == []


def test_failures_are_outcomes_and_the_worker_goes_on(bench: Bench) -> None:
    bench.images.offline.add("registry.example")
    assert isinstance(bench.fetch().error, RegistryUnreachable)
    bench.images.offline.clear()
    assert isinstance(bench.fetch(f"{NAME}:absent").error, ImageMissing)
    bench.engine.down = "it is stopped"
    assert isinstance(bench.fetch().error, EngineDown)
    bench.engine.down = None
    assert bench.fetch().error is None


def test_stopping_ends_a_pull_that_hangs_and_blames_nobody_for_it(bench: Bench) -> None:
    bench.engine.stalled.add(PINNED)
    bench.thread.start()
    bench.puller.submit(ImageWanted("scorer", f"{NAME}:1"))
    until(lambda: [one for one in bench.puller.progress() if one.done_bytes], "progress")
    bench.stopping.set()
    bench.puller.close(1)
    bench.thread.join(60)
    assert not bench.thread.is_alive()
    assert bench.puller.finished() == ()


def test_close_ends_idle_workers(bench: Bench) -> None:
    bench.thread.start()
    bench.puller.close(1)
    bench.thread.join(60)
    assert not bench.thread.is_alive()


class Detour:
    """A relay by whose names the fake engine finds what it is to pull."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self.asked = engine, []

    @contextmanager
    def serving(self, reference: ImageReference, credential: Credential | None) -> Iterator[ImageReference]:
        self.asked.append((str(reference), credential))
        near = ImageReference(
            "127.0.0.1:4711", f"{NEAR}{len(self.asked)}/{reference.repository}", None, reference.digest
        )
        self.engine.registry.add(str(near))
        yield near
        self.engine.registry.remove(str(near))


class SmallDisk(FakeEngine):
    """There is room while nothing lies there that came by a relay."""

    def free_bytes(self) -> int | None:
        return 0 if any(f"/{NEAR}" in name for name in self.world.images) else 10**10


def relayed(engine: FakeEngine | None = None) -> tuple[Bench, Detour]:
    bench = Bench(engine)
    detour = Detour(bench.engine)
    bench.puller = Puller(
        bench.engine, bench.images, bench.credentials, bench.clock,
        architecture="amd64", stall_s=5.0, wake=bench.woken.set, stopping=bench.stopping, relay=detour,
    )  # fmt: skip
    bench.thread = threading.Thread(target=bench.puller.work, daemon=True)
    return bench, detour


def test_with_a_relay_the_engine_fetches_there_and_knows_the_image_by_its_own_name_alone() -> None:
    bench, detour = relayed()
    left_behind = f"127.0.0.1:1/{NEAR}{'a' * 32}/team/other@sha256:{'b' * 64}"
    bench.engine.world.images |= {left_behind}
    outcome = bench.fetch()
    bench.puller.close(1)
    assert (outcome.pinned, outcome.fetched, outcome.error) == (PINNED, True, None)
    assert bench.engine.images() == {PINNED}
    assert [effect for effect, _ in bench.engine.effects] == ["remove_image", "pull", "pull", "remove_image"]
    assert detour.asked == [(PINNED, None)]


def test_what_came_by_the_relay_stays_until_it_has_its_name() -> None:
    """An engine that does not reach the registry itself must not fetch it all again at each try."""
    bench, _ = relayed()
    bench.engine.registry.discard(PINNED)
    assert isinstance(bench.fetch().error, ImageMissing)
    assert [name.rpartition("@")[2] for name in bench.engine.images()] == [DIGEST]
    bench.engine.registry.add(PINNED)
    assert bench.fetch().error is None
    bench.puller.close(1)
    assert bench.engine.images() == {PINNED}


def test_what_came_by_the_relay_goes_when_the_next_image_needs_its_room() -> None:
    bench, _ = relayed(SmallDisk(registry=[PINNED]))
    bench.engine.registry.discard(PINNED)
    assert isinstance(bench.fetch().error, ImageMissing)
    other, digest = "registry.example/team/other", "sha256:" + "c" * 64
    bench.images.hold(parse_reference(f"{other}:1"), replace(facts(), index_digest=digest, digest=digest))
    bench.engine.registry.add(f"{other}@{digest}")
    assert bench.fetch(f"{other}:1").error is None
    bench.puller.close(1)
    assert bench.engine.images() == {f"{other}@{digest}"}


def test_what_came_by_the_relay_needs_no_more_room_for_its_name() -> None:
    bench, _ = relayed(SmallDisk(registry=[PINNED]))
    bench.engine.registry.discard(PINNED)
    assert isinstance(bench.fetch().error, ImageMissing)
    bench.engine.registry.add(PINNED)
    assert bench.fetch().error is None
    bench.puller.close(1)
    assert bench.engine.images() == {PINNED}
