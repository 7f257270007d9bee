"""Who writes this? A part of a name that no other process and no other thread uses at the same time."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path


def writer() -> str:
    """For files that are written beside their place and then renamed: several packages may be made at once."""
    return f"{os.getpid()}-{threading.get_ident()}"


def why_not_written(
    error: OSError, place: Path, helps: str = "for instance with edgetender image prune"
) -> str:
    """Say in words what stopped a write to *place*; a full disk does not say which one it is, and how to make room."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk of {place} is full; make room, {helps}"
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
