"""What fake engines and fake fronts of all devices on one machine share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from edgetender.model.front import NONE, FrontSpec, Member, Shadowed
from edgetender.model.observed import Container
from edgetender.model.target import ContainerSpec

Port = tuple[int, str]


@dataclass
class Held:
    """A container, whose it is, what it was made of and what it printed."""

    device: str
    container: Container
    made_of: ContainerSpec
    printed: list[str] = field(default_factory=list)

    @property
    def host_ports(self) -> set[Port]:
        """Those it holds itself while it runs."""
        ports = self.made_of.ports if self.made_of.front == NONE else ()
        return {(port.host, port.protocol) for port in ports}


@dataclass
class HeldFront:
    """A front, whose it is, whom it serves and whom it lets end what was begun."""

    device: str
    spec: FrontSpec
    target: Member | None = None
    receiving: list[Member] = field(default_factory=list)
    draining: list[Member] = field(default_factory=list)
    shadowed: Shadowed | None = None  # copies of requests go to that container
    running: bool = True
    answers: bool = True
    hangs: bool = False

    @property
    def host_ports(self) -> set[Port]:
        return {(port.host, port.protocol) for port in self.spec.ports}


@dataclass
class World:
    """What all devices on one engine share."""

    images: set[str] = field(default_factory=set)
    held: dict[str, Held] = field(default_factory=dict)
    fronts: dict[str, HeldFront] = field(default_factory=dict)  # by module
    made: int = 0
    changes: int = 0
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    @property
    def taken_ports(self) -> set[Port]:
        """The host ports that somebody holds now."""
        holders = [box for box in self.held.values() if box.container.running]
        return {port for one in (*holders, *self.fronts.values()) for port in one.host_ports}
