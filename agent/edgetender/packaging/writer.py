"""Who writes this? A part of a name that no other process and no other thread uses at the same time."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path


def writer() -> str:
    """For files that are written beside their place and then renamed: several packages may be made at once."""
    return f"{os.getpid()}-{threading.get_ident()}"


def why_not_written(error: OSError, place: Path) -> str:
    """Say in words what stopped a write to *place*; a full disk does not say which one it is."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk of {place} is full; make room, for instance with edgetender image prune"
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def write_privately(path: Path, text: str) -> None:
    """Make *path* a file with *text* that only its owner may read, in one step; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{writer()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    part.replace(path)
