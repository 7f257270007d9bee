"""What does every mechanism of the traffic switch have to be able to do?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgetender.model.front import FrontServer, FrontSpec, Member, Shadow, Shadowed
from edgetender.secret import Secret


@dataclass(frozen=True, slots=True)
class Looked:
    """The part of FrontState that a mechanism finds out itself."""

    answers: bool = True
    hangs: bool = False
    target: Member | None = None
    servers: tuple[FrontServer, ...] = ()
    shadowed: Shadowed | None = None
    certificates: tuple[str, ...] = ()  # by the name of the credential


class FrontEngine(Protocol):
    """What a mechanism may ask of the engine."""

    def execute(self, command: list[str]) -> str:
        """Run *command* in the front and return what it said. Raises FrontDown, EngineRefused."""
        ...

    def pid(self, container: str) -> int:
        """The first process of a container of ours; 0 while it does not run."""
        ...


class Mechanism(Protocol):
    """Drives the front whose directory is *home*; keeps no state of its own.

    Errors: FrontDown while the front does not answer, EngineRefused when it says no.
    """

    def body(self, spec: FrontSpec) -> dict[str, Any]:
        """What the engine is told beside what all fronts have (Engine API, ContainerCreate)."""
        ...

    def write(self, home: Path, spec: FrontSpec, member: Member | None) -> None:
        """Write down what the front shall do at its start."""
        ...

    def look(self, home: Path, run: str, engine: FrontEngine) -> Looked:
        """*run* names this run of the front's container."""
        ...

    def point(self, home: Path, spec: FrontSpec, member: Member, engine: FrontEngine) -> None: ...

    def compare(self, home: Path, member: Member, wanted: Shadow) -> None: ...

    def renew(self, home: Path, certificates: Mapping[str, Secret]) -> None:
        """Show these to who connects from now on; who is connected goes on."""
        ...

    def forget(self, home: Path, container: str, engine: FrontEngine) -> None: ...
