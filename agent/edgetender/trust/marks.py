"""Was this device's state lost? One mark in two places, left when its owner installed the first trust root."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from edgetender import durable
from edgetender.errors import CredentialUnusable
from edgetender.trust.owned import opened

MARK_FILE = "begun"
_MOST_BYTES = 64


class Marks:
    """The owner's is in *directory*, where the agent cannot write; the agent's in *kept*, beside its state.

    Where the second is gone, or is another device's, what was remembered is gone as well: the newest version
    that was taken here is not known. Devices set up before there were marks have none, and lost nothing.
    """

    def __init__(self, directory: Path, kept: Path | None) -> None:
        self._owners, self._kept = directory / MARK_FILE, kept / MARK_FILE if kept is not None else None

    def lost(self) -> bool:
        """Whether the state here is not the one that this device began with. Raises Exhausted."""
        owners = _read(self._owners)
        if owners is None or self._kept is None:
            return False
        try:
            self._kept.lstat()
        except PermissionError:  # whoever may not look, a person at a command, knows nothing of it
            return False
        except OSError:
            return True
        return _read(self._kept) != owners

    def begin(self) -> None:
        """Leave the mark in both places, for a device that has remembered nothing yet. Raises OSError."""
        if self._kept is None or self._owners.exists():
            return
        mark = secrets.token_hex(16).encode()
        there = self._kept.parent
        while not there.exists():
            there = there.parent
        owner = there.stat()
        made = [path for path in (self._kept.parent.parent, self._kept.parent) if not path.exists()]
        durable.make_directory(self._kept.parent, 0o700)
        durable.replace(self._kept, mark, mode=0o600)
        if os.geteuid() == 0:  # the state is the agent's, whoever began it
            for path in (*made, self._kept):
                os.chown(path, owner.st_uid, owner.st_gid)
        durable.replace(self._owners, mark, mode=0o644)

    def renew(self) -> None:
        """What was lost is known again. Raises OSError."""
        owners = _read(self._owners)
        if owners is not None and self._kept is not None and _read(self._kept) != owners:
            durable.replace(self._kept, owners, mode=0o600)


def _read(path: Path) -> bytes | None:
    try:
        descriptor = opened(path, "mark")
    except CredentialUnusable:
        return None
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_MOST_BYTES)
