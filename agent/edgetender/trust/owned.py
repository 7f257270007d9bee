"""Is a file the word of this device's owner? Only if nobody else could have written it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from edgetender.errors import CredentialUnusable, Exhausted

_OTHERS_WRITE = 0o022
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def opened(path: Path, what: str) -> int | None:
    """A descriptor of *path* to read from, None where there is no such file. Raises CredentialUnusable, Exhausted.

    What is checked is the very file that is read: links are not followed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        unless_exhausted(error, path)
        raise _unusable(path, what, error.strerror or "it cannot be opened") from None
    try:
        _check(path, what, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def unless_exhausted(error: OSError, path: Path) -> None:
    """Raises Exhausted where *error* says nothing of *path*: nobody is to be refused, and nothing lost, for that."""
    if error.errno in _EXHAUSTED:
        raise Exhausted(
            f"cannot open {path}: {error.strerror}; the agent ends, to begin anew with enough of it"
        )


def _check(path: Path, what: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, what, "it is no regular file")
    if found.st_uid not in {0, os.geteuid()} or found.st_mode & _OTHERS_WRITE:
        raise _unusable(path, what, "others can change it; run: chown root: and chmod 644")


def _unusable(path: Path, what: str, why: str) -> CredentialUnusable:
    return CredentialUnusable(f"cannot use the {what} {path}: {why}")
