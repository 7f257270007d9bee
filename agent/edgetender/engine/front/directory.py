"""Where do an agent and a front meet? In a directory of the agent's state that is mounted into the front.

It is mounted as a directory: a mounted file would stay the old one after a new one took its name.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from edgetender import durable
from edgetender.errors import DiskFull, FrontDown

_FULL = (errno.ENOSPC, errno.EDQUOT)


def make(directory: Path) -> None:
    """Let nobody in but the agent, and a front that runs as the agent's user."""
    durable.make_directory(directory, 0o700)


def read(path: Path) -> str:
    """The file's text; empty when there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def write(path: Path, text: str) -> None:
    """Replace the file at once, on disk when this returns; nothing is written where nothing changes.

    Raises DiskFull; FrontDown for any other reason.
    """
    if path.exists() and read(path) == text:
        return
    try:
        durable.replace(path, text.encode())
    except OSError as error:
        said = f"cannot write down what the front at {path.parent} does: {error.strerror or error}"
        raise DiskFull(said) if error.errno in _FULL else FrontDown(said) from error


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
