"""Is the store in use? Whoever makes images shares it; whoever takes parts out of it has it alone.

A lock of the kernel's, gone with its process. Where a file system has none, nobody is stopped.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgetender.errors import Permanent

_LOCK = ".lock"


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Hold the store against removal; waits for one that is under way. Any number may, also one within another."""
    with _locked(root, fcntl.LOCK_SH):
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Have the store alone. Raises Permanent while something is made in it."""
    try:
        with _locked(root, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
    except BlockingIOError as error:
        text = "a package is being made there; try again when it is done"
        raise Permanent(f"cannot remove anything from {root}: {text}") from error


@contextmanager
def _locked(root: Path, how: int) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    file = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            raise
        except OSError:
            pass  # some network file systems know no locks
        yield
    finally:
        os.close(file)
