"""Takes the device's and the containers' figures every interval and hands them to the sinks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from edgetender.clock import Clock
from edgetender.decide.documents import module_sample
from edgetender.decide.serving import Tally, served
from edgetender.errors import AgentError
from edgetender.model.figures import ContainerFigures, Served, by_module
from edgetender.ports import Engine, Sink
from edgetender.snapshot import Snapshot

log = logging.getLogger(__name__)


class HostFigures(Protocol):
    """The device's own use: CPU, memory, disk, temperature. Takes no time worth speaking of."""

    def __call__(self) -> dict[str, Any]: ...


class Sampler:
    """`work` is the body of its thread; `latest` answers from any."""

    def __init__(
        self,
        host: HostFigures,
        engine: Engine,
        sinks: Sequence[Sink],
        snapshot: Callable[[], Snapshot | None],
        clock: Clock,
        interval_s: float,
        stopping: threading.Event,
    ) -> None:
        self._host, self._engine, self._sinks = host, engine, tuple(sinks)
        self._snapshot, self._clock, self._interval_s, self._stopping = snapshot, clock, interval_s, stopping
        self._before: dict[str, tuple[float, float]] = {}  # module -> (monotonic, cpu seconds)
        self._latest: dict[str, tuple[float, int]] = {}
        self._tally, self._traffic = Tally(), dict[str, Served]()

    def latest(self) -> dict[str, tuple[float, int]]:
        """By module: CPU as a ratio of one core, and memory bytes, at the last sample."""
        return self._latest

    def work(self) -> None:
        while not self._stopping.is_set():
            self.sample()
            self._stopping.wait(self._interval_s)

    def sample(self) -> None:
        """Take one of each stream. An engine that does not answer costs its stream, nothing else."""
        now = self._clock.now()
        self._hand_out("device", self._host(), now)
        snapshot = self._snapshot()
        figures = self._measured(snapshot)
        if snapshot is None or figures is None:
            self._latest = {}  # what was measured before is not shown as now
            return
        self._latest = self._rates(figures)
        if (
            looked_at := snapshot.at.timestamp()
        ) != self._tally.at:  # fronts count on between two looks, unseen
            self._tally, self._traffic = served(self._tally, snapshot.observed.fronts, looked_at)
        sample = module_sample(figures, self._latest, snapshot.ledger.restarts, self._traffic)
        self._hand_out("modules", sample, now)

    def _measured(self, snapshot: Snapshot | None) -> Sequence[ContainerFigures] | None:
        if snapshot is None or snapshot.engine_down is not None:
            return None
        try:
            return by_module(self._engine.figures([c for c in snapshot.observed.containers if c.running]))
        except AgentError as error:
            log.warning("no container figures", extra={"fields": {"why": str(error)}})
            return None

    def _rates(self, figures: Sequence[ContainerFigures]) -> dict[str, tuple[float, int]]:
        at = self._clock.monotonic()
        rates, before = {}, {}
        for one in figures:
            then = self._before.get(one.module)
            busy = 0.0
            if then is not None and at > then[0] and one.cpu_seconds >= then[1]:
                busy = (one.cpu_seconds - then[1]) / (at - then[0])
            rates[one.module] = (round(busy, 4), one.memory_bytes)
            before[one.module] = (at, one.cpu_seconds)
        self._before = before
        return rates

    def _hand_out(self, stream: str, sample: dict[str, Any], now: datetime) -> None:
        for sink in self._sinks:
            sink.take(stream, sample, now)
