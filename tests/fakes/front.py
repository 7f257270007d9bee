"""A traffic switch in memory that keeps the contract of the real ones (tests/contracts/test_front.py runs on all)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgetender.errors import AgentError, EngineDown, EngineRefused, FrontDown
from edgetender.model.front import FrontServer, FrontSpec, FrontState, Member, Shadow, Shadowed
from tests.fakes.engine import FakeEngine
from tests.fakes.world import HeldFront


class FakeFront:
    """Fronts of *engine*'s device, in the engine's world. Set *connections*; read *effects*.

    *connections* are those a container still holds, by its id; a front that is gone holds none.
    """

    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self.world, self.device = engine, engine.world, engine.device
        self.connections: dict[str, int] = {}
        self.figures: dict[str, tuple[int, int]] = {}  # requests and errors, by container
        self.times: dict[str, tuple[float, int]] = {}  # 95th percentile in ms, of how many answers
        self.stale: set[str] = set()  # modules whose credential holds another certificate by now
        self.effects: list[tuple[str, str]] = []
        self.failures: list[AgentError] = []

    def observe(self) -> tuple[FrontState, ...]:
        self._raise_if_down()
        mine = [(name, front) for name, front in self.world.fronts.items() if front.device == self.device]
        return tuple(self._state(name, front) for name, front in mine)

    def ensure(self, spec: FrontSpec, member: Member | None) -> None:
        with self._effect("ensure", spec.module):
            there = self.world.fronts.get(spec.module)
            if there is not None and there.device != self.device:
                raise EngineRefused(f"cannot set up the front of {spec.module}: the name is taken")
            if there is not None and there.spec == spec:
                if there.hangs:
                    self.restart(spec.module)
                there.running = there.answers = True
                there.hangs = False
                self.stale.discard(spec.module)
                return
            made = HeldFront(self.device, spec, member, [member] if member else [])
            if made.host_ports & (self.world.taken_ports - (there.host_ports if there else set())):
                raise EngineRefused(f"cannot set up the front of {spec.module}: port is already allocated")
            self.world.fronts[spec.module] = made

    def point(self, spec: FrontSpec, member: Member) -> None:
        with self._effect("point", spec.module):
            front = self._own(spec.module)
            if front is None or not front.answers:
                raise FrontDown(f"cannot switch the traffic of {spec.module}: the front does not answer")
            known = {m.container: m for m in (*front.draining, *front.receiving)}
            front.draining = [m for name, m in known.items() if name != member.container]
            front.receiving, front.target, front.shadowed = [member], member, None

    def compare(self, spec: FrontSpec, member: Member, wanted: Shadow) -> None:
        with self._effect("compare", spec.module):
            front = self._own(spec.module)
            if front is None or not front.answers:
                raise FrontDown(f"cannot copy requests of {spec.module}: the front does not answer")
            if front.shadowed is None or front.shadowed.container != member.container:
                front.shadowed = Shadowed(member.container, 0.0)

    def forget(self, module: str, container: str) -> None:
        with self._effect("forget", module):
            if (front := self._own(module)) is not None:
                front.draining = [m for m in front.draining if m.container != container]
                if front.shadowed is not None and front.shadowed.container == container:
                    front.shadowed = None

    def lower(self, module: str) -> None:
        with self._effect("lower", module):
            if self._own(module) is not None:
                del self.world.fronts[module]

    def restart(self, module: str) -> None:
        """The front's process ends and the engine starts it again: only what was written down is known."""
        front = self.world.fronts[module]
        front.receiving, front.draining = [front.target] if front.target else [], []
        front.shadowed = None

    def _state(self, name: str, front: HeldFront) -> FrontState:
        if not front.answers:
            return FrontState(
                name,
                front.spec.mechanism,
                front.spec.digest,
                front.running,
                answers=False,
                hangs=front.hangs,
                host_ports=front.spec.host_ports,
            )
        servers = [self._server(m, receives=True) for m in front.receiving]
        servers += [self._server(m, receives=False) for m in front.draining]
        sole = front.receiving == [front.target]
        return FrontState(
            module=name,
            mechanism=front.spec.mechanism,
            spec=front.spec.digest,
            running=front.running,
            stale=name in self.stale,
            target=front.target if sole else None,
            servers=tuple(servers),
            shadowed=front.shadowed,
            host_ports=front.spec.host_ports,
        )

    def _server(self, member: Member, *, receives: bool) -> FrontServer:
        box = self.world.held.get(member.container)
        alive = box is not None and box.container.running
        held = self.connections.get(member.container, 0) if alive else 0
        requests, errors = self.figures.get(member.container, (0, 0))
        p95_ms, timed = self.times.get(member.container, (None, 0))
        return FrontServer(
            member.container,
            member.address,
            receives,
            held,
            1.0,
            requests,
            errors,
            p95_ms=p95_ms,
            timed=timed,
        )

    def _own(self, module: str) -> HeldFront | None:
        front = self.world.fronts.get(module)
        return front if front is not None and front.device == self.device else None

    def _raise_if_down(self) -> None:
        if self.engine.down is not None:
            raise EngineDown(f"cannot ask the engine: {self.engine.down}")

    @contextmanager
    def _effect(self, method: str, what: str) -> Iterator[None]:
        self._raise_if_down()
        if self.failures:
            raise self.failures.pop(0)
        yield
        self.effects.append((method, what))
