"""What can still be written when the disk is full? A file that holds nothing, given up for what must be kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_ROOM = 4  # times its size must be free before it is taken (again): it must not be what fills the disk


class Reserve:
    """*size_bytes* at *path*; 0 for none. From any thread. Never raises: without room there is no reserve."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path, self._size_bytes = path, size_bytes
        self._held = path.exists()
        self.take()

    def take(self) -> None:
        """Have it, if there is room for it."""
        if self._held or not self._size_bytes:
            return
        try:
            if shutil.disk_usage(self._path.parent).free < _ROOM * self._size_bytes:
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            self._path.unlink(missing_ok=True)
        else:
            self._held = True

    def give_up(self) -> bool:
        """Make its room free; False where there is none."""
        held, self._held = self._held, False
        if held:
            self._path.unlink(missing_ok=True)
        return held
