"""May this client score? One or two bearer keys from a file; a changed file counts without a restart."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from edgetender_scoring.message import Request

log = logging.getLogger("edgetender_scoring")

_LOOK_S = 1.0
_MOST, _SHORTEST = 2, 16


class KeysUnusable(Exception):
    """The file of keys cannot be used."""


class Keys:
    """The keys of a file: one a line, at most two (the second to rotate to). Event loop only.

    A file that cannot be used any more leaves the keys as they are. Raises KeysUnusable at the start.
    """

    def __init__(self, path: Path) -> None:
        import hmac  # late: few have keys, and OpenSSL behind it takes memory

        self._path = path
        self._equal = hmac.compare_digest
        self._keys = _read(path)
        self._seen = _identity(path)
        self._looked = time.monotonic()

    def admits(self, request: Request) -> bool:
        """Whether *request* carries one of the keys."""
        self._look()
        scheme, _, given = request.header(b"authorization").partition(" ")
        if scheme.lower() != "bearer":
            return False
        sent = given.strip().encode("latin-1")
        return sum(self._equal(sent, key) for key in self._keys) > 0  # all are compared, always

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        identity = _identity(self._path)
        if identity == self._seen:
            return
        self._seen = identity
        try:
            self._keys = _read(self._path)
        except KeysUnusable as error:
            log.warning("the keys stay as they are: %s", error)
        else:
            log.info("the keys are read anew: %d", len(self._keys))


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"{path}: {error}") from error
    keys = tuple(line.encode() for line in lines if line and not line.startswith("#"))
    if not 1 <= len(keys) <= _MOST:
        raise KeysUnusable(f"{path}: has {len(keys)} keys, expected 1 or {_MOST}, one a line")
    if any(len(key) < _SHORTEST for key in keys):
        raise KeysUnusable(f"{path}: a key is shorter than {_SHORTEST} characters")
    return keys
