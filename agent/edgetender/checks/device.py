"""What does a check look with? The ports of the house, and where on the disk things are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgetender.clock import Clock
from edgetender.config.settings import Settings
from edgetender.errors import Problem
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.target import ImageWanted
from edgetender.model.upstream import Link
from edgetender.model.webhook import Answer
from edgetender.ports import Credentials, Engine, Images


@dataclass(frozen=True, slots=True)
class Contact:
    """What a TLS handshake showed of the far side: its certificate (DER) and the protocol."""

    certificate: bytes
    protocol: str


class Network(Protocol):
    """The few questions that checks have for the network. Each is bounded in time; all raise OSError."""

    def resolve(self, host: str) -> tuple[str, ...]:
        """Its addresses."""
        ...

    def reach(self, host: str, port: int) -> None:
        """Return when a TCP connection was made."""
        ...

    def handshake(
        self, host: str, port: int, ca: Path | None, certificate: Path | None, key: Path | None
    ) -> Contact:
        """Verify as the transport does. Also raises LinkDown where a file of ours is wrong."""
        ...


class Disks(Protocol):
    """What is free where."""

    def space(self, path: Path) -> tuple[int, int]:
        """(free, total) bytes of its file system. Raises OSError."""
        ...

    def inodes(self, path: Path) -> tuple[int, int]:
        """(free, total); total is 0 where the file system does not count them. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Device:
    """Everything checks may ask. *root* stands before absolute paths that are not configured.

    *faults* are those of the configuration; *settings* are then the defaults. *wanted* are the images of the
    manifests here, None where only the daemon knows them; *link* and *ledger* are None where no daemon runs,
    *webhook* is what it answered last, None where nothing was posted yet.
    """

    settings: Settings
    engine: Engine
    images: Images
    credentials: Credentials
    network: Network
    disks: Disks
    clock: Clock
    hardware: Callable[[], Hardware]
    files: tuple[Path, ...] = ()
    faults: tuple[Problem, ...] = ()
    wanted: tuple[ImageWanted, ...] | None = None
    link: Link | None = None
    webhook: Answer | None = None
    ledger: Ledger | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")
    synchronized: Callable[[], bool | None] = lambda: None
