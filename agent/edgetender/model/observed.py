"""What is: containers of ours, local images, pulls under way, readiness. Taken anew each cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from edgetender.model.front import FrontState
from edgetender.model.gate import Hold
from edgetender.model.host_port import HostPort
from edgetender.model.target import PublishedPort


class Status(StrEnum):
    """The engine's word for a container's state (Engine API, ContainerState.Status)."""

    CREATED = "created"
    RUNNING = "running"
    RESTARTING = "restarting"
    PAUSED = "paused"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


class Readiness(StrEnum):
    """What the last probes say. UNKNOWN: none has answered yet since the container started."""

    UNKNOWN = "unknown"
    READY = "ready"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Health:
    """A container's readiness and since when; *detail* says what the probe met.

    *p95_s* is what its proof measured: 19 of 20 answers to the known input took at most so many seconds.
    """

    readiness: Readiness = Readiness.UNKNOWN
    since: datetime | None = None
    detail: str = ""
    p95_s: float | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container that carries our labels. *id* is the engine's, *spec* the label with the spec's digest."""

    id: str
    name: str
    module: str
    spec: str
    version: int
    image: str
    status: Status
    variant: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    address: str | None = None  # on the engine's network; None when it is not running
    host_ports: tuple[HostPort, ...] = ()  # those it holds itself
    streams: tuple[tuple[str, str], ...] = ()  # name and kind of those it may send messages on
    health: Health = field(default_factory=Health)

    @property
    def run(self) -> str:
        """Names this run of the container: another start is another run."""
        return f"{self.id}/{self.started_at.isoformat() if self.started_at else ''}"

    @property
    def publishes(self) -> bool:
        """Whether it holds host ports itself."""
        return bool(self.host_ports)

    @property
    def running(self) -> bool:
        return self.status in (Status.RUNNING, Status.RESTARTING, Status.PAUSED)

    @property
    def ready(self) -> bool:
        return self.status is Status.RUNNING and self.health.readiness is Readiness.READY


@dataclass(frozen=True, slots=True)
class PullProgress:
    """A pull under way. *total_bytes* is None until the registry or the engine said it.

    *unpacked_bytes* are of the same bytes: large layers unpack for minutes after the last one came.
    """

    reference: str
    done_bytes: int = 0
    total_bytes: int | None = None
    layers_done: int = 0
    layers_total: int | None = None
    bytes_per_s: float = 0.0
    started_at: datetime | None = None
    unpacked_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the device. *images* are all names an image can be run by: ids and `repository@digest`."""

    containers: tuple[Container, ...] = ()
    images: frozenset[str] = frozenset()
    pulls: tuple[PullProgress, ...] = ()
    engine_down: str | None = None  # why the engine did not answer; the rest is then empty
    fronts: tuple[FrontState, ...] = ()
    locks: Mapping[str, Hold] = field(default_factory=dict)  # modules that ask for time, by name
    taken: frozenset[PublishedPort] = frozenset()  # of the host ports that were asked for, those in use

    def of(self, module: str) -> tuple[Container, ...]:
        return tuple(container for container in self.containers if container.module == module)

    def front(self, module: str) -> FrontState | None:
        return next((front for front in self.fronts if front.module == module), None)

    def pulling(self, reference: str) -> bool:
        return any(pull.reference == reference for pull in self.pulls)
