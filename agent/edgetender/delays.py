"""Which modules ask for time? Files in a directory, one by each module's name, as long as they are there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from edgetender.clock import parse_rfc3339
from edgetender.model.gate import Hold

_MOST_BYTES, _MOST_FILES = 1000, 256


class LockFiles:
    """The files of *directory*. What is in one is when it ends (RFC 3339) and why, each of them optional.

    Whoever may write there may delay updates and nothing else; for how long at most is the configuration's.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def __call__(self) -> dict[str, Hold]:
        """By module's name; what cannot be read is no lock. Never raises."""
        return dict(self._found())

    def _found(self) -> Iterator[tuple[str, Hold]]:
        try:
            files = sorted(self._directory.iterdir())[:_MOST_FILES] if self._directory else []
        except OSError:
            return
        for file in files:
            try:
                found = _content(file)
            except (OSError, OverflowError, ValueError):
                continue
            if found is not None:
                made, text = found
                until, reason = _read(text)
                yield file.name, Hold("a file", made, until, reason)


def _content(file: Path) -> tuple[datetime, str] | None:
    """When it was made, and what is in it; None for what is no regular file. Raises OSError.

    What is checked is the very file that is read: who may write here shall not have the agent read another.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        made = datetime.fromtimestamp(status.st_mtime, UTC)
        return made, os.read(descriptor, _MOST_BYTES).decode(errors="replace")
    finally:
        os.close(descriptor)


def _read(text: str) -> tuple[datetime | None, str]:
    words = text.split()
    try:
        return parse_rfc3339(words[0]), " ".join(words[1:])
    except (ValueError, IndexError):
        return None, " ".join(words)
