"""What does the engine need to hand a container more than its image? Folders that it may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Secrets(Protocol):
    """Files in memory, by container. Threads: one."""

    def lay(self, folder: str, names: Sequence[str]) -> Path:
        """Have these in *folder*, as they are now, each in a file of its name; return where that is.

        Raises CredentialUnusable, with nothing written where one of them cannot be had, and DiskFull.
        """
        ...

    def clear(self, folder: str) -> None:
        """Remove it; gone already is done. Never raises."""
        ...


class Doors(Protocol):
    """Sockets for messages, by container. Threads: one."""

    def open(self, name: str, module: str, streams: Sequence[tuple[str, str]]) -> Path:
        """Listen to the container *name*, for *streams* (name, kind); return the socket, alone in its folder.

        Done already is done. Raises EngineRefused where it cannot be made.
        """
        ...

    def close(self, name: str) -> None:
        """Remove it; gone already is done. Never raises."""
        ...
