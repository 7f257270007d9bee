"""Which port of the device is it, and can two of them be held at once?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # what is written, nothing is bound here


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the device at *address*; at all of them where that is empty, 0.0.0.0 or ::."""

    port: int
    protocol: str = "tcp"
    address: str = ""

    def collides(self, other: HostPort) -> bool:
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or not _EVERYWHERE.isdisjoint({self.address, other.address})


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of the device that leads to one of a container."""

    host: int
    container: int
    protocol: str = "tcp"
    address: str = "127.0.0.1"

    @property
    def host_port(self) -> HostPort:
        return HostPort(self.host, self.protocol, self.address)


def collide(some: Collection[HostPort], others: Collection[HostPort]) -> bool:
    """Whether one of *some* cannot be held while *others* are."""
    return any(one.collides(other) for one in some for other in others)
