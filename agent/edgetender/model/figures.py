"""What the engine measures of containers, and says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """One container's use of the device now. CPU is a total; who reads it twice has a rate."""

    module: str
    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Version, API and what the engine can give to containers."""

    version: str
    api_version: str
    architecture: str
    runtimes: tuple[str, ...]
    data_root: str
    cdi: bool
