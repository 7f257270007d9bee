"""What is, right now: the engine's containers and images, pulls under way, and who is ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from edgetender.errors import Permanent, Transient
from edgetender.model.gate import Hold
from edgetender.model.observed import Container, Health, Observed, PullProgress, Readiness, Status
from edgetender.model.target import HealthSpec, PublishedPort
from edgetender.ports import Engine, Front
from edgetender.prober import Prober, Subject
from edgetender.scales import Scales


class Observer:
    """Puts one look together. An engine that does not answer, or refuses, is an observation, not an error."""

    def __init__(
        self,
        engine: Engine,
        front: Front,
        pulls: Callable[[], tuple[PullProgress, ...]],
        prober: Prober,
        scales: Scales,
        locks: Callable[[], Mapping[str, Hold]] = dict,
        is_taken: Callable[[PublishedPort], bool] = lambda _: False,
        silent: Callable[[], str | None] = lambda: None,
    ) -> None:
        """*silent* says why the engine is known not to answer: then it is not waited for."""
        self._engine, self._front, self._pulls, self._prober = engine, front, pulls, prober
        self._scales, self._locks, self._is_taken, self._silent = scales, locks, is_taken, silent

    def look(self, judged: Mapping[str, HealthSpec], claims: Iterable[PublishedPort] = ()) -> Observed:
        """Return what is; *judged* says, by container spec, how readiness is judged; *claims* are to be tried."""
        if (why := self._silent()) is not None:
            return Observed(pulls=self._pulls(), engine_down=why)
        try:
            containers, images = self._engine.containers(), self._engine.images()
            fronts = self._front.observe()
        except (Transient, Permanent) as error:
            return Observed(pulls=self._pulls(), engine_down=str(error))
        self._prober.watch(_subjects(containers, judged))
        looked = tuple(replace(c, health=self._health(c, judged.get(c.spec))) for c in containers)
        taken = frozenset(filter(self._is_taken, claims))
        return Observed(looked, images, self._pulls(), fronts=fronts, locks=self._locks(), taken=taken)

    def weigh(self, containers: Iterable[Container]) -> Mapping[str, int]:
        """How much memory these were found to take since the call before, in bytes by id."""
        return self._scales.weigh(containers)

    def _health(self, container: Container, spec: HealthSpec | None) -> Health:
        if container.status is not Status.RUNNING:
            return Health()
        if spec is None:
            return Health(Readiness.UNKNOWN, container.started_at)
        if spec.by_engine:
            return container.health
        if spec.port is not None:
            return self._prober.health(container.id, container.started_at)
        return Health(Readiness.READY, container.started_at)


def _subjects(containers: tuple[Container, ...], judged: Mapping[str, HealthSpec]) -> Iterator[Subject]:
    for container in containers:
        spec = judged.get(container.spec)
        if spec is None or spec.port is None or container.status is not Status.RUNNING:
            continue
        if container.address and container.started_at:
            yield Subject(container.id, container.address, container.started_at, spec)
