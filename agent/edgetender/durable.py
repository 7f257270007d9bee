"""How does a file get new content that no cut can tear? It is written beside its place, synced, and renamed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(path: Path, body: bytes, *, mode: int | None = None, by: str = "new") -> None:
    """Make *body* all that *path* holds; return once it is on the disk. Raises OSError.

    Cut at any moment, by the power too, *path* is as it was or as it shall be, and its readers see nothing else.
    It has *mode* whatever the umask; None leaves it to the umask, also on media that know no modes. A link there
    is replaced, not followed. One caller at a time for a path, or each with another word *by* which it is known.
    """
    fresh = path.with_name(f".{path.name}.{by}")
    fresh.unlink(missing_ok=True)  # of a call that was cut
    with os.fdopen(os.open(fresh, _FLAGS, 0o666 if mode is None else mode), "wb") as stream:
        try:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
            fresh.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()  # a disk that is full needs its room
            raise
    sync_directory(path.parent)


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Make *path* and what is missing above it, all with *mode*; return once they are on the disk. Raises OSError."""
    for missing in [one for one in (*reversed(path.parents), path) if not one.exists()]:
        missing.mkdir(mode=mode, exist_ok=True)
        sync_directory(missing.parent)


def sync_tree(root: Path) -> None:
    """Return once everything at and below *root* is on the disk: contents and names. Raises OSError."""
    for folder, _, files in os.walk(root):
        for name in files:
            if not (file := Path(folder, name)).is_symlink():
                _sync(file, 0)
        sync_directory(Path(folder))


def sync_directory(path: Path) -> None:
    """Return once the names in *path* are on the disk. Raises OSError."""
    _sync(path, os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
