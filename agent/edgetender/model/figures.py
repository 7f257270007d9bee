"""What is measured: of containers, of the engine, and of the agent's own last cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgetender.model.upstream import OutboxFigures


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """One container's use of the device now. CPU is a total; who reads it twice has a rate."""

    module: str
    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None
    received_bytes: int
    sent_bytes: int


def by_module(figures: Iterable[ContainerFigures]) -> tuple[ContainerFigures, ...]:
    """One entry per module: what its containers use together. While it is switched to a new version there are two."""
    found: dict[str, ContainerFigures] = {}
    for one in figures:
        other = found.get(one.module)
        found[one.module] = one if other is None else _sum(other, one)
    return tuple(found.values())


def _sum(one: ContainerFigures, other: ContainerFigures) -> ContainerFigures:
    limits = (one.memory_limit_bytes, other.memory_limit_bytes)
    return ContainerFigures(
        one.module,
        one.cpu_seconds + other.cpu_seconds,
        one.memory_bytes + other.memory_bytes,
        None if None in limits else sum(limit or 0 for limit in limits),
        one.received_bytes + other.received_bytes,
        one.sent_bytes + other.sent_bytes,
    )


@dataclass(frozen=True, slots=True)
class Served:
    """What a module's front counted: totals since the agent started, the rates since the look before.

    *errors* are answers with 5xx and connections that failed; *mean_ms* is of the newest requests, to the last byte,
    *p95_ms* of the newest too, to the answer's head.
    """

    requests: int
    errors: int
    requests_per_s: float = 0.0
    errors_per_s: float = 0.0
    mean_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Version, API and what the engine can give to containers."""

    version: str
    api_version: str
    architecture: str
    runtimes: tuple[str, ...]
    data_root: str
    cdi: bool
    log_driver: str = ""
    https_proxy: str = ""
    cdi_devices: tuple[str, ...] | None = None  # None: engines before 28.2 do not say
    memory_limits: bool | None = None  # whether the kernel applies them


def discovered(info: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The CDI devices in an engine's `/info`; None where it does not say."""
    found = info.get("DiscoveredDevices")
    return tuple(sorted(str(each.get("ID", "")) for each in found)) if found is not None else None


@dataclass(frozen=True, slots=True)
class ModuleFigures:
    """One module as dashboards count it."""

    name: str
    state: str
    ready: bool
    restarts: int
    variant: str
    version: int | None


@dataclass(frozen=True, slots=True)
class CycleFigures:
    """What one cycle moves in the metrics."""

    health: str = "starting"
    engine_up: bool = True
    upstream_connected: bool = False
    outbox: OutboxFigures = field(default_factory=OutboxFigures)
    desired_version: int | None = None
    desired_code: int | None = None
    accepted_version: int | None = None
    candidate_version: int | None = None
    waiting: tuple[tuple[str, str], ...] = ()  # phase, and why not now
    modules: tuple[ModuleFigures, ...] = ()
    uptime_s: float = 0.0
    hardware: Mapping[str, str] = field(default_factory=dict)  # what it is, as labels
    refusals: tuple[str, ...] = ()  # the codes for which a manifest was refused just now
    demotions: tuple[tuple[str, str, str], ...] = ()  # module, variant, reason
