"""Where do an agent and a front meet? In a directory of the agent's state that is mounted into the front.

It is mounted as a directory: a mounted file would stay the old one after a new one took its name.
"""

from __future__ import annotations

import errno
import logging
import shutil
from contextlib import suppress
from pathlib import Path

from edgetender import durable
from edgetender.errors import DiskFull, FrontDown

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)


def make(directory: Path) -> None:
    """Let nobody in but the agent, and a front that runs as the agent's user. Raises DiskFull, FrontDown."""
    try:
        durable.make_directory(directory, 0o700)
    except OSError as error:
        raise _failure(f"cannot make {directory}", error) from error


def read(path: Path) -> str:
    """The file's text; empty when there is none. Raises FrontDown when there is one and it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        why = error.strerror or error
        said = f"cannot read {path}: {why}; remove it, and the agent writes it anew"
        log.warning(said)  # a look says no more than that the front does not answer
        raise FrontDown(said) from error


def write(path: Path, text: str) -> None:
    """Replace the file at once, on disk when this returns; nothing is written where nothing changes.

    Raises DiskFull; FrontDown for any other reason.
    """
    with suppress(OSError):  # what cannot be read is replaced
        if path.read_text(errors="replace") == text:
            return
    try:
        durable.replace(path, text.encode())
    except OSError as error:
        raise _failure(f"cannot write down what the front at {path.parent} does", error) from error


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


def _failure(what: str, error: OSError) -> DiskFull | FrontDown:
    said = f"{what}: {error.strerror or error}"
    return DiskFull(said) if error.errno in _FULL else FrontDown(said)
