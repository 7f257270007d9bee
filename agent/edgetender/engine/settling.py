"""Is what the engine wrote on the disk? Only after a sync of the file system where it keeps images.

An engine does not sync what it unpacks: a power cut right after a pull leaves an image that is listed, and hollow.
`syncfs` needs no rights, only any file of that file system that we may open.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def settle(data_root: str) -> None:
    """Return when everything written so far to the file system of *data_root* is on the disk. Raises OSError.

    Where we may open nothing of it, all file systems are synced.
    """
    descriptor = _opened(Path(data_root))
    if descriptor is None:
        os.sync()
        return
    try:
        # a failed write since the file system was mounted is told here, once
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), data_root)
    finally:
        os.close(descriptor)


def _opened(root: Path) -> int | None:
    """A descriptor of *root*, or of what is above it as far as that lies on the same file system."""
    try:
        device = root.stat().st_dev
    except OSError:
        return None
    for place in (root, *root.parents):
        try:
            if place.stat().st_dev != device:
                return None
            return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            continue
        except OSError:
            return None
    return None
