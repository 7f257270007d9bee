"""A whole reconcile loop on fakes, stepped by hand: no threads, no waiting, a clock that is moved."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from edgetender.errors import AgentError
from edgetender.model.gate import ALWAYS, Hold, Rules
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.image import ImageTraits
from edgetender.model.observed import PullProgress, Status
from edgetender.model.plan import PullOutcome
from edgetender.model.target import ImageWanted
from edgetender.observing import Observer
from edgetender.prober import Prober
from edgetender.reconciler import Cycle, Reconciler
from edgetender.scales import Scales
from tests.builders.manifests import SCORER, body, manifest
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine, World
from tests.fakes.front import FakeFront
from tests.fakes.power import Power
from tests.fakes.store import FakeStore

AMD64 = Hardware((Fact("arch", "amd64", "test"), Fact("accelerator", "none", "test")))
FRONTED = Hardware((*AMD64.facts, Fact("front", True, "test")))  # the same, with a traffic switch


@dataclass
class HandPuller:
    """A puller whose pulls end when the test says so; with *registry* they end by themselves at once."""

    engine: Any
    registry: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)  # as written -> by digest
    errors: dict[str, AgentError] = field(default_factory=dict)
    traits: dict[str, ImageTraits] = field(default_factory=dict)  # what images ask of the device
    submitted: list[str] = field(default_factory=list)
    _done: list[PullOutcome] = field(default_factory=list)

    def submit(self, image: ImageWanted) -> None:
        if not image.looked and image.reference in self.registry:
            traits = self.traits.get(image.reference, ImageTraits())
            self._done.append(PullOutcome(image, traits=traits))
            return
        self.submitted.append(image.reference)
        if image.reference in self.errors:
            self._done.append(PullOutcome(image, None, self.errors[image.reference]))
        elif (pinned := self.tags.get(image.reference, image.reference)) in self.registry:
            fetched = pinned not in self.engine.world.images
            self.engine.world.images.add(pinned)
            self._done.append(PullOutcome(image, pinned, fetched=fetched))

    def forget(self) -> None:
        """It dies with its process: images stay, the news of them does not."""
        self._done = []

    def progress(self) -> tuple[PullProgress, ...]:
        return ()

    def finished(self) -> tuple[PullOutcome, ...]:
        done, self._done = tuple(self._done), []
        return done


@dataclass
class Loop:
    """The loop and all it stands on."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: Any = field(default_factory=FakeStore)
    world: World = field(default_factory=World)
    refusals: dict[str, str] = field(default_factory=dict)  # path -> why not ready
    hardware: Hardware = AMD64
    trust: Any = None
    probe: Any = None  # who is asked whether a container is ready, else `refusals`
    exchange: Any = None  # who answers a container's proof; none: nothing is proven
    rules: Rules = ALWAYS
    keep_free_bytes: int = 0
    locks: dict[str, Hold] = field(default_factory=dict)  # modules that ask for time
    taken: set[int] = field(default_factory=set)  # host ports that somebody else listens at
    silent: str | None = None  # why the engine is known not to answer
    boot_number: int = 1
    cycles: list[Cycle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = FakeEngine(world=self.world, now=self.clock.now)
        self.front = FakeFront(self.engine)
        self.puller = HandPuller(self.engine)
        self.boot()

    def boot(self, power: Power | None = None) -> None:
        """Start the agent anew on what is on disk and in the engine; its effects happen by *power*."""
        power = power or Power()
        probe_calls: Any = self.probe or (lambda address, port, path, timeout_s: self.refusals.get(path))
        self.prober = Prober(probe_calls, self.clock, lambda: None, self.exchange)
        engine, front = power.feed(self.engine), power.feed(self.front)
        self.puller.forget()
        self.scales = Scales(engine)
        self.reconciler = Reconciler(
            store=power.feed(self.store),
            engine=engine,
            front=front,
            observer=Observer(
                engine,
                front,
                self.puller.progress,
                self.prober,
                self.scales,
                lambda: self.locks,
                lambda port: port.host in self.taken,
                lambda: self.silent,
            ),
            puller=power.feed(self.puller),
            clock=self.clock,
            hardware=lambda: self.hardware,
            publish=self.cycles.append,
            wake=threading.Event(),
            stopping=threading.Event(),
            interval_s=30.0,
            trust=self.trust,
            rules=self.rules,
            keep_free_bytes=self.keep_free_bytes,
            boot=self.boot_number,
        )

    def push(self, document: dict[str, Any] | bytes) -> int:
        raw = document if isinstance(document, bytes) else body(document)
        return self.store.deliver("manifest", "mqtt", raw, self.clock.now())

    def wish(self, kind: str, **said: Any) -> int:
        """Leave a person's wish; the decision on it comes with the next cycle."""
        return self.store.deliver(kind, "cli (uid 0)", body(said), self.clock.now())

    def cycle(self) -> float:
        """One cycle, and whoever is due is asked whether it is ready."""
        pause = self.reconciler.cycle()
        self.prober.ask_due()
        self.scales.look()
        return pause

    def run(self, seconds: float = 60.0) -> Cycle:
        """Cycle, moving the clock by each pause, until *seconds* have passed; return the last cycle."""
        left = seconds
        while left > 0:
            pause = max(0.05, min(self.cycle(), 1.0))
            self.clock.advance(pause)
            left -= pause
        return self.cycles[-1]

    @property
    def last(self) -> Cycle:
        return self.cycles[-1]


def deployed(document: dict[str, Any] | None = None, *images: str, hardware: Hardware = AMD64) -> Loop:
    loop = Loop(hardware=hardware)
    loop.puller.registry |= {SCORER, *images}
    loop.push(document or manifest(1))
    loop.run(30)
    return loop


def running(loop: Loop) -> dict[str, str]:
    return {c.module: c.image for c in loop.engine.containers() if c.status is Status.RUNNING}


def serving(loop: Loop) -> str:
    return next(c.id for c in loop.engine.containers() if c.status is Status.RUNNING)


def ids(loop: Loop) -> set[str]:
    return {c.id for c in loop.engine.containers() if c.status is Status.RUNNING}
