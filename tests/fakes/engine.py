"""An engine in memory that keeps the contract of the real one (tests/contracts/test_engine.py runs on both)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from edgetender.clock import rfc3339
from edgetender.engine.labels import container_name
from edgetender.errors import AgentError, EngineDown, EngineRefused, ImageMissing, NotFound, PullStalled
from edgetender.model.figures import ContainerFigures, EngineFacts
from edgetender.model.front import NONE
from edgetender.model.image import Credential, ImageReference
from edgetender.model.observed import Container, Health, PullProgress, Status
from edgetender.model.target import ContainerSpec
from tests.fakes.world import Held, World

_MONTH = datetime(2026, 11, 1, tzinfo=UTC)


class FakeEngine:
    """Set *images*, *registry*, *down*, *pull_calls*, *stalled*; read *effects*. Deterministic, thread-safe.

    *effects* are `("create", module)`, `("start", container)`, ... in the order they happened. Times are those
    of *now*, by default one second per look at it.
    """

    def __init__(
        self,
        *,
        images: Sequence[str] = (),
        registry: Sequence[str] = (),
        device: str = "line3-cam7",
        now: Callable[[], datetime] | None = None,
        world: World | None = None,
    ) -> None:
        self.world = world or World()
        self.world.images |= set(images)
        self.registry = set(registry)
        self.device = device
        self.down: str | None = None
        self.pull_calls = 3
        self.pull_bytes = 3000
        self.stalled: set[str] = set()
        self.effects: list[tuple[str, str]] = []
        self.tried = 0
        self.free: int | None = 10**10
        self.memory: dict[str, int] = {}  # what a container of this image takes
        self.measured = 0  # how often figures were asked for
        self._failures: list[tuple[int | str, AgentError, bool]] = []
        self._seconds = 0
        self._now = now or self._tick

    def fail_on(self, what: int | str, error: AgentError, *, times: int = 1, done: bool = False) -> None:
        """Raise *error* at the n-th effect from now (1 is the next), or at the next calls of a method.

        With *done* the effect happens all the same: only its answer is lost.
        """
        key = self.tried + what if isinstance(what, int) else what
        self._failures += [(key, error, done)] * times

    def crash(self, container: str, exit_code: int = 1, *, oom: bool = False) -> None:
        """The process of *container* ends by itself."""
        self._end(container, exit_code, oom=oom)

    def say(self, container: str, health: Health) -> None:
        """The engine's own check of *container* has this result from now on."""
        with self._change():
            held = self.world.held[container]
            held.container = replace(held.container, health=health)

    @property
    def running(self) -> frozenset[str]:
        """Modules of this device that run."""
        return frozenset(box.container.module for box in self._mine() if box.container.running)

    def containers(self) -> tuple[Container, ...]:
        with self._asked("containers"):
            return tuple(box.container for box in self._mine())

    def images(self) -> frozenset[str]:
        with self._asked("images"):
            return frozenset(self.world.images)

    def create(self, spec: ContainerSpec, version: int) -> str:
        with self._effect("create", spec.module):
            name = container_name(spec)
            holder = next((box for box in self.world.held.values() if box.container.name == name), None)
            if holder and holder.device != self.device:
                raise EngineRefused(f"cannot create a container for {spec.module}: the name {name} is taken")
            if holder:
                return holder.container.id
            if spec.image not in self.world.images:
                raise NotFound(f"cannot create a container for {spec.module}: no such image: {spec.image}")
            self.world.made += 1
            container = Container(
                id=f"{self.world.made:064x}",
                name=name,
                module=spec.module,
                spec=spec.digest,
                version=version,
                image=spec.image,
                status=Status.CREATED,
                variant=spec.variant,
                host_ports=spec.host_ports if spec.front == NONE else (),
            )
            self.world.held[container.id] = Held(self.device, container, spec)
            return container.id

    def start(self, container: str) -> None:
        with self._effect("start", container):
            box = self._own(container)
            if box.container.status is Status.PAUSED:
                box.container = replace(box.container, status=Status.RUNNING, address=_address(container))
            if box.container.running:
                return
            if box.host_ports & self.world.taken_ports:
                raise EngineRefused(f"cannot start container {container[-12:]}: port is already allocated")
            box.container = replace(
                box.container,
                status=Status.RUNNING,
                exit_code=None,
                oom_killed=False,
                started_at=self._now(),
                address=_address(container),
                health=Health(),
            )
            lines = int(dict(box.made_of.env).get("LINES", "0"))
            box.printed += [*(f"line {number}" for number in range(1, lines + 1)), "started"]

    def stop(self, container: str, grace_s: float) -> None:
        with self._effect("stop", container):
            box = self.world.held.get(container)
            if box and box.device == self.device and box.container.running:
                ignores = dict(box.made_of.env).get("IGNORE_TERM")
                self._end(container, 137 if ignores else 0)

    def remove(self, container: str) -> None:
        with self._effect("remove", container):
            box = self.world.held.get(container)
            if box and box.device == self.device:
                del self.world.held[container]

    def remove_image(self, name: str) -> None:
        with self._effect("remove_image", name):
            if any(box.container.image == name for box in self.world.held.values()):
                raise EngineRefused(f"cannot remove the image {name}: a container uses it")
            self.world.images.discard(name)

    def pull(
        self,
        reference: ImageReference,
        credential: Credential | None,
        progress: Callable[[PullProgress], bool],
    ) -> None:
        name, call = str(reference), 0
        if name not in self.registry:
            with self._effect("pull", name):
                raise ImageMissing(f"cannot pull {name}: manifest unknown")
        while call < self.pull_calls or name in self.stalled:
            call = min(call + 1, self.pull_calls)
            done = self.pull_bytes * call // (self.pull_calls + 1)
            self._raise_if_down()
            if not progress(PullProgress(name, done_bytes=done, total_bytes=self.pull_bytes)):
                raise PullStalled(f"cannot pull {name}: given up, it no longer moved")
            with self.world.changed:
                self.world.changed.wait(0.001)  # other threads see a pull that takes time
        with self._effect("pull", name):
            self.world.images.add(name)

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        timestamps: bool = False,
        follow: bool = False,
    ) -> Iterator[str]:
        with self._asked("logs"):
            box = self._own(container)
            at = box.container.started_at or self._now()  # all it printed is of that moment
            printed = [] if until is not None and at >= until else list(box.printed)
        if timestamps:
            printed = [f"{rfc3339(at)} {line}" for line in printed]
        return self._print(box, printed[-tail:] if tail else [] if tail == 0 else printed, follow)

    def figures(self, containers: Sequence[Container]) -> tuple[ContainerFigures, ...]:
        self.measured += 1
        with self._asked("figures"):
            found = [one for one in containers if one.running]
            taken = [self.memory.get(one.image, 4_000_000) for one in found]
            limits = [self._own(one.id).made_of.memory_bytes for one in found]
            each = zip(found, taken, limits, strict=True)
            return tuple(
                ContainerFigures(one.module, 0.5, took, most, 1000, 2000) for one, took, most in each
            )

    def facts(self) -> EngineFacts:
        with self._asked("facts"):
            return EngineFacts("20.10.24", "1.41", "amd64", ("runc",), "/var/lib/docker", cdi=False)

    def free_bytes(self) -> int | None:
        with self._asked("free_bytes"):
            return self.free

    def watch(self, wake: Callable[[], None], stopping: Callable[[], bool]) -> None:
        seen = self.world.changes
        while not stopping():
            with self.world.changed:
                self._raise_if_down()
                self.world.changed.wait(0.02)
                news, seen = self.world.changes > seen, self.world.changes
            if news:
                wake()

    def _print(self, box: Held, printed: list[str], follow: bool) -> Iterator[str]:
        yield from printed
        shown = len(box.printed)
        while follow and box.container.running:
            with self.world.changed:
                self.world.changed.wait(0.02)
                fresh, shown = box.printed[shown:], len(box.printed)
            yield from fresh

    def _end(self, container: str, exit_code: int, *, oom: bool = False) -> None:
        with self._change():
            box = self.world.held[container]
            box.container = replace(
                box.container,
                status=Status.EXITED,
                exit_code=exit_code,
                oom_killed=oom,
                finished_at=self._now(),
                address=None,
            )

    def _mine(self) -> list[Held]:
        with self.world.changed:
            return [box for box in self.world.held.values() if box.device == self.device]

    def _own(self, container: str) -> Held:
        box = self.world.held.get(container)
        if box is None or box.device != self.device:
            raise NotFound(f"cannot find container {container[-12:]}: this device has none of that id")
        return box

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self.world.changed:
            yield
            self.world.changes += 1
            self.world.changed.notify_all()

    @contextmanager
    def _effect(self, method: str, what: str) -> Iterator[None]:
        with self._change():
            self.tried += 1
            self._raise_if_down()
            before, after = self._due(self.tried, method)
            if before:
                raise before
            yield
            self.effects.append((method, what))
            if after:
                raise after

    @contextmanager
    def _asked(self, method: str) -> Iterator[None]:
        with self.world.changed:
            self._raise_if_down()
            if error := next((found for found in self._due(0, method) if found), None):
                raise error
            yield

    def _due(self, number: int, method: str) -> tuple[AgentError | None, AgentError | None]:
        """The failure meant for this call, once: to raise before the effect, or after it."""
        for failure in self._failures:
            key, error, done = failure
            if key in (number, method):
                self._failures.remove(failure)
                return (None, error) if done else (error, None)
        return None, None

    def _raise_if_down(self) -> None:
        if self.down is not None:
            raise EngineDown(f"cannot ask the engine: {self.down}")

    def _tick(self) -> datetime:
        self._seconds += 1
        return _MONTH + timedelta(seconds=self._seconds)


def _address(container: str) -> str:
    return f"172.17.0.{int(container, 16) % 250 + 2}"
