"""What does the engine need so that a container gets the secrets of this device? A folder that it may be shown."""

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
