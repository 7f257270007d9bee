"""From any world, however often interrupted, the loop comes to rest with one ready container per module."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.bookkeeping import intend
from edgetender.decide.planner import plan
from edgetender.errors import (
    AgentError,
    DiskFull,
    EngineDown,
    EngineRefused,
    ImageMissing,
    RegistryUnreachable,
)
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed, Status
from edgetender.model.target import ContainerSpec
from tests.builders.effort import examples
from tests.builders.loops import AMD64, FRONTED, Loop
from tests.builders.manifests import slot
from tests.builders.worlds import IMAGES, fronts, inhabitants, ledgers, manifests, resolution, target_of
from tests.fakes.engine import Held
from tests.fakes.power import Power, PowerCut
from tests.fakes.world import HeldFront

ERRORS = (
    EngineDown("cannot ask the engine: connection refused"),
    DiskFull("cannot create: no space left on device"),
    EngineRefused("cannot start: conflict"),
)
PULL_ERRORS = (RegistryUnreachable("cannot resolve: no route"), ImageMissing("cannot pull: manifest unknown"))


@dataclass(frozen=True)
class World:
    """What the agent wakes up to, and what will go wrong from then on."""

    containers: tuple[tuple[Container, ContainerSpec], ...]
    images: frozenset[str]
    ledger: Ledger
    cuts: tuple[tuple[int, bool], ...]
    failures: tuple[tuple[int, AgentError, bool], ...]
    pull_errors: dict[str, AgentError]
    redelivered: dict[str, object] | None
    hardware: Hardware
    fronts: dict[str, HeldFront]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    old, new = draw(manifests(1)), draw(manifests(2))
    hardware = draw(st.sampled_from([AMD64, FRONTED]))
    slots = {}
    if draw(st.booleans()):
        slots["accepted"] = slot(old)
    if draw(st.booleans()) or not slots:
        slots["candidate"] = slot(new)
    specs = target_of(old, hardware).containers + target_of(new, hardware).containers
    there = draw(inhabitants(specs))
    observed = Observed(tuple(container for container, _ in there))
    return World(
        there,
        draw(st.frozensets(st.sampled_from(IMAGES))),
        draw(ledgers(observed, specs, slots)),
        tuple(draw(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=4))),
        tuple(
            draw(st.lists(st.tuples(st.integers(1, 15), st.sampled_from(ERRORS), st.booleans()), max_size=3))
        ),
        draw(st.dictionaries(st.sampled_from(IMAGES), st.sampled_from(PULL_ERRORS), max_size=2)),
        draw(st.sampled_from([None, old, new])),
        hardware,
        draw(fronts(observed.containers, specs)),
    )


def awake(world: World) -> Loop:
    loop = Loop(hardware=world.hardware)
    loop.world.fronts |= copy.deepcopy(world.fronts)
    for container, spec in world.containers:
        loop.world.held[container.id] = Held(loop.engine.device, container, spec)
    loop.world.images |= world.images
    loop.puller.registry |= set(IMAGES)
    loop.puller.errors |= world.pull_errors
    loop.store.commit(world.ledger)
    for number, error, done in world.failures:
        loop.engine.fail_on(number, error, done=done)
    if world.redelivered is not None:
        loop.push(world.redelivered)
    return loop


def settle_engine(loop: Loop) -> None:
    """The engine ends by itself what it was at: a removal, a restart."""
    for name, box in list(loop.world.held.items()):
        if box.container.status is Status.REMOVING:
            del loop.world.held[name]
        if box.container.status is Status.RESTARTING:
            up = replace(
                box.container, status=Status.RUNNING, started_at=loop.clock.now(), address="172.17.0.2"
            )
            box.container = up


def live(world: World) -> Loop:
    """Run until nothing is left to do, with every interruption the world has in store; at most a day."""
    loop, cuts = awake(world), list(world.cuts)
    power = powered(cuts)
    loop.boot(power)
    began = loop.clock.monotonic()
    quiet = 0
    while quiet < 3:
        assert loop.clock.monotonic() - began < 86400, "it never comes to rest"
        settle_engine(loop)
        try:
            pause = loop.cycle()
        except PowerCut:
            power = powered(cuts)
            loop.boot(power)
            continue
        last = loop.last
        rest = (
            not last.plan.steps
            and not last.plan.held
            and last.ledger.candidate is None
            and not last.target.fetch
        )
        quiet = quiet + 1 if rest else 0
        loop.clock.advance(max(0.05, min(pause, 5.0)))
        if loop.clock.monotonic() - began > 600:
            loop.puller.errors.clear()  # somebody pushed the image at last
    return loop


def powered(cuts: list[tuple[int, bool]]) -> Power:
    number, after = cuts.pop(0) if cuts else (None, False)
    return Power(number, after=after)


@examples(100)
@given(worlds())
def test_any_world_converges_to_one_ready_container_per_module_of_an_accepted_manifest(world: World):
    loop = live(world)
    last = loop.last
    assert last.ledger.accepted is not None
    target = resolution(last.ledger.accepted, last.ledger, world.hardware).containers
    there = loop.engine.containers()
    assert sorted((c.module, c.spec) for c in there) == sorted((s.module, s.digest) for s in target)
    assert all(c.status is Status.RUNNING for c in there)
    assert all(c.ready for c in last.observed.containers)
    assert plan(last.target, last.observed, last.ledger, last.at).steps == ()
    assert intend(last.ledger, last.plan, last.target, last.observed) == last.ledger
    assert last.ledger.floor >= world.ledger.floor
    behind = {spec.module: spec for spec in target if spec.front_spec}
    assert loop.world.fronts.keys() == behind.keys()
    for module, front in loop.world.fronts.items():
        (container,) = (c for c in there if c.module == module)
        assert front.spec == behind[module].front_spec
        assert [m.container for m in front.receiving] == [container.id] == [front.target.container]
        assert front.draining == []
    assert not last.ledger.restart_wanted
