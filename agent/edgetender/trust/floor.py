"""Below which version was nothing to come back? Two small files that outlive the state database."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import datetime
from pathlib import Path

from edgetender import durable
from edgetender.codec import canonical, sha256_hex
from edgetender.model.examined import Floor
from edgetender.trust.owned import unless_exhausted

_NAMES = ("floor.a", "floor.b")
_MOST_BYTES = 4096


class FloorFiles:
    """Written in turn, each with a number and a checksum: what damages one leaves the other.

    Not thread-safe: the loop's alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> Floor | None:
        """The newest that is whole; None where none is. Raises Exhausted."""
        found = [slot for name in _NAMES if (slot := self._slot(name)) is not None]
        return max(found, key=lambda slot: slot[0])[1] if found else None

    def write(self, floor: Floor) -> None:
        """Return once it is on the disk. Raises OSError."""
        numbers = {name: slot[0] if (slot := self._slot(name)) else -1 for name in _NAMES}
        oldest = min(_NAMES, key=lambda name: numbers[name])
        said = {
            "number": max(numbers.values()) + 1,
            "epoch": floor.epoch,
            "version": floor.version,
            "sha256": floor.sha256,
            "trusted_at": floor.trusted_at.isoformat() if floor.trusted_at else None,
        }
        body = canonical(said | {"check": sha256_hex(canonical(said))})
        durable.make_directory(self._directory, 0o700)
        durable.replace(self._directory / oldest, body, mode=0o600)

    def _slot(self, name: str) -> tuple[int, Floor] | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            with os.fdopen(self._opened(name, flags), "rb") as stream:
                said = json.loads(stream.read(_MOST_BYTES))
            check = said.pop("check")
            if sha256_hex(canonical(said)) == check:
                at = datetime.fromisoformat(said["trusted_at"]) if said["trusted_at"] else None
                return int(said["number"]), Floor(
                    int(said["epoch"]), int(said["version"]), str(said["sha256"]), at
                )
        return None

    def _opened(self, name: str, flags: int) -> int:
        try:
            return os.open(self._directory / name, flags)
        except OSError as error:
            unless_exhausted(error, self._directory / name)  # else the floor would be no floor
            raise
