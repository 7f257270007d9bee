"""Where do an agent and a front meet? In a directory of the agent's state that is mounted into the front.

It is mounted as a directory: a mounted file would stay the old one after a new one took its name.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from edgetender.errors import DiskFull, FrontDown

_FULL = (errno.ENOSPC, errno.EDQUOT)


def make(directory: Path) -> None:
    """Let nobody in but the agent, and a front that runs as the agent's user."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


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
        _replace(path, text)
    except OSError as error:
        said = f"cannot write down what the front at {path.parent} does: {error.strerror or error}"
        raise DiskFull(said) if error.errno in _FULL else FrontDown(said) from error


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
