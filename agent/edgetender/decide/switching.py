"""Which steps replace a module's container without dropping a request? Pure: same arguments, same stride.

The new container starts beside the one that serves; when it is ready the front sends new requests to it; the old
one ends what it has begun and stays until the candidate is accepted, so that the way back is one switch too.
What is left to do after an interruption is read from the containers and the front.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgetender.decide.shadowing import awaited, progress
from edgetender.decide.stride import (
    Waits,
    ended_once,
    farewell,
    front_key,
    is_done,
    may_try,
    on_trial,
    preference,
    restarts,
    run_key,
)
from edgetender.model.front import FrontSpec, FrontState, Member
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Container, Observed, Readiness, Status
from edgetender.model.plan import Compare, Create, EnsureFront, Forget, Point, Remove, Start, Step, Stop
from edgetender.model.target import ContainerSpec, Target

_LOOK_AGAIN = timedelta(seconds=0.2)  # at a front that starts, or that has requests to end


@dataclass(frozen=True, slots=True)
class _Scene:
    """One module: what shall run, what is there, and who is behind the front."""

    spec: ContainerSpec
    front_spec: FrontSpec
    front: FrontState | None
    others: tuple[Container, ...]
    target: Target
    ledger: Ledger
    now: datetime
    waits: Waits

    @property
    def key(self) -> str:
        return run_key(self.spec.module, self.spec.digest)

    def receives(self, container: Container) -> bool:
        return self.front is not None and self.front.receives(container.id)

    def may_try(self, key: str) -> bool:
        return may_try(key, self.spec.module, self.ledger, self.now, self.waits)

    def wait(self, why: str) -> None:
        self.waits.setdefault(self.spec.module, (self.now + _LOOK_AGAIN, why))


def switching(
    spec: ContainerSpec,
    front_spec: FrontSpec,
    target: Target,
    observed: Observed,
    ledger: Ledger,
    now: datetime,
    waits: Waits,
) -> Iterator[Step]:
    """Yield the steps for a module behind *front_spec*; none while it is well or waits."""
    front = observed.front(spec.module)
    there = observed.of(spec.module)
    mine = [c for c in there if c.spec == spec.digest]
    others = tuple(c for c in there if c.spec != spec.digest)
    scene = _Scene(spec, front_spec, front, others, target, ledger, now, waits)
    mine.sort(key=lambda c: (not (c.running and scene.receives(c)), preference(c)))
    if not (mine and mine[0].ready):
        yield from _raise_front(scene)
    if not mine:
        if spec.image in observed.images and scene.may_try(scene.key):
            yield Create(spec.module, spec, target.version or 0)
        return
    current, *doubles = mine
    for double in doubles:
        yield from _farewell(double, "a second container of the same kind", scene)
    if (rescue := _rescue(current, scene)) is not None:
        yield rescue
    else:
        yield from _towards(current, scene)


def _towards(current: Container, scene: _Scene) -> Iterator[Step]:
    spec, ledger = scene.spec, scene.ledger
    match current.status:
        case Status.CREATED | Status.PAUSED:  # the latter by somebody's hand
            if scene.may_try(scene.key):
                yield from _make_room(scene)
                yield Start(spec.module, current.id)
        case Status.RUNNING | Status.RESTARTING:
            if current.run in ledger.restart_wanted:
                yield Stop(spec.module, current.id, spec.stop_grace_s, "a restart was asked for")
            elif current.health.readiness is Readiness.FAILING and scene.may_try(scene.key):
                yield Stop(spec.module, current.id, spec.stop_grace_s, f"not ready: {current.health.detail}")
            elif current.ready:
                yield from _serve(current, scene)
        case Status.EXITED:
            yield from _start_again(current, scene)
        case Status.DEAD:  # and one that the engine is removing is waited for: an event will say so
            yield Remove(spec.module, current.id)


def _start_again(current: Container, scene: _Scene) -> Iterator[Step]:
    spec, ledger = scene.spec, scene.ledger
    asked, ours = current.run in ledger.restart_wanted, current.id in ledger.stopped
    if is_done(spec, current) and not (asked or ours):
        for other in scene.others:
            yield from _farewell(other, "replaced", scene)
    if not (asked or ours or restarts(spec.restart, current.exit_code)):
        return
    if asked or ended_once(current, ledger.attempts.get(scene.key)) or scene.may_try(scene.key):
        yield from _make_room(scene)
        yield Start(spec.module, current.id, again=not ours)


def _make_room(scene: _Scene) -> Iterator[Step]:
    """At most two run: the one that is about to start, and the one that serves until it is ready."""
    running = [other for other in scene.others if other.running]
    # a front that does not answer now may still send to any of them
    unknown = scene.front is not None and not scene.front.answers
    serving = [other for other in running if scene.receives(other) or other.publishes or unknown]
    kept = min(
        serving, key=lambda other: (not scene.receives(other), not other.ready, other.id), default=None
    )
    for other in running:
        if other is not kept:
            yield from _farewell(other, "replaced", scene, keep=True)


def _rescue(current: Container, scene: _Scene) -> Step | None:
    """Back to a predecessor that still runs, while the one that was switched to is not ready any more."""
    down = current.status is not Status.RUNNING or current.health.readiness is Readiness.FAILING
    if scene.front is None or not scene.front.answers or not down or not scene.receives(current):
        return None
    for other in scene.others:
        if other.ready and other.address and scene.front.server(other.id) and scene.may_try(_front(scene)):
            return Point(scene.spec.module, scene.front_spec, Member(other.id, other.address))
    return None


def _raise_front(scene: _Scene) -> Iterator[Step]:
    """One that is down, before the new one is ready: it serves whom its file names.

    The one before may run; where nobody does, requests wait in the front instead of being refused.
    """
    front, wanted = scene.front, scene.front_spec
    if front is None or not _is_down(front) or not _is(front, wanted) or not scene.may_try(_front(scene)):
        return
    serving = (Member(other.id, other.address) for other in scene.others if other.ready and other.address)
    yield EnsureFront(scene.spec.module, wanted, next(serving, None))


def _serve(current: Container, scene: _Scene) -> Iterator[Step]:
    """The new one is ready: have a front, have it send there, let the old ones end what they have begun."""
    front, wanted, module = scene.front, scene.front_spec, scene.spec.module
    if current.address is None:
        return
    member = Member(current.id, current.address)
    if front is None or _is_down(front) or not _is(front, wanted):
        if scene.may_try(_front(scene)):
            for other in scene.others:
                if other.running and other.publishes:
                    yield Stop(module, other.id, scene.spec.stop_grace_s, "a front takes over its ports")
            yield EnsureFront(module, wanted, member)
    elif not front.answers:
        scene.wait("the front does not answer yet")
    elif front.target != member:
        if scene.may_try(_front(scene)):
            yield from _take_over(member, front, scene)
    else:
        yield from _leave(front, scene, {current.id})
        if front.stale and scene.may_try(_front(scene)):  # last: what its credential lacks holds up nothing
            yield EnsureFront(module, wanted, member)


def _take_over(member: Member, front: FrontState, scene: _Scene) -> Iterator[Step]:
    """At once, or after what it answers to copies of live requests was found good."""
    spec, found = scene.spec, front.shadowed
    shadow = awaited(spec, front, scene.target, scene.others, scene.ledger)
    if shadow is None:
        yield Point(spec.module, scene.front_spec, member)
    elif found is None or found.container != member.container:
        yield Compare(spec.module, scene.front_spec, member, shadow)
    else:
        scene.wait(progress(found, shadow))


def _leave(front: FrontState, scene: _Scene, staying: set[str]) -> Iterator[Step]:
    """Everything goes to the new one by now: what is left of the old ones goes, in its time."""
    trial = on_trial(scene.target, scene.ledger)
    for other in scene.others:
        server = front.server(other.id)
        if trial and server is not None and other.running:
            staying.add(other.id)  # the way back
        elif server is not None and server.connections and other.running and _in_time(server.since_s, scene):
            staying.add(other.id)
            scene.wait(f"the old container still has {server.connections} requests")
        else:
            yield from _farewell(other, "replaced", scene, keep=trial)
            staying.add(other.id)
    if front.shadowed is not None:  # of a candidate that did not take over
        yield Forget(scene.spec.module, front.shadowed.container)
    for server in front.servers:
        if server.container not in staying:
            yield Forget(scene.spec.module, server.container)


def _in_time(since_s: float, scene: _Scene) -> bool:
    return since_s < scene.spec.stop_grace_s


def _farewell(container: Container, why: str, scene: _Scene, *, keep: bool | None = None) -> Iterator[Step]:
    """Out of the front first, so that nothing new goes where nobody will answer."""
    if scene.front is not None and scene.front.answers and scene.front.server(container.id) is not None:
        yield Forget(container.module, container.id)
    kept = on_trial(scene.target, scene.ledger) if keep is None else keep
    yield from farewell(container, why, keep=kept)


def _is_down(front: FrontState) -> bool:
    return not front.running or front.hangs


def _is(front: FrontState, wanted: FrontSpec) -> bool:
    return front.spec == wanted.digest


def _front(scene: _Scene) -> str:
    return front_key(scene.spec)
