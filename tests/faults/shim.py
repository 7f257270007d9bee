"""How is a daemon stopped at its n-th write, or watched writing? By a library that is loaded before the C library."""

from __future__ import annotations

import ctypes
import enum
import functools
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
_BUILT = Path(__file__).resolve().parents[2] / ".demo" / "cache" / "faults-shim.so"
_HEAD = struct.Struct("<BqqII")


class Kind(enum.IntEnum):
    """What was done; the numbers are those of shim.c."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    RENAME = 5
    UNLINK = 6
    MKDIR = 7


class Fate(enum.IntEnum):
    """What befalls the operations that are meant."""

    NOTHING = 0
    KILL_BEFORE = 1
    KILL_AFTER = 2
    FAIL = 3


@dataclass(frozen=True, slots=True)
class Arm:
    """Operations *number* to *number* + *times* - 1 below *directory* meet *fate*; *log* is written for `operations`."""

    directory: str
    fate: Fate = Fate.NOTHING
    number: int = 0
    times: int = 1
    errno: int = 0
    log: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of a file: *data* of a WRITE at *offset*, the new length of a TRUNCATE, the new name of a RENAME."""

    kind: Kind
    at_s: float  # of the monotonic clock, which all processes share
    path: str  # below the directory; "" is itself
    offset: int
    data: bytes


def why_not() -> str | None:
    """The reason why the shim cannot be built here; None if it can."""
    return None if shutil.which("cc") else "there is no C compiler: apt-get install gcc libc6-dev"


@functools.cache
def built() -> Path:
    """The library, made when its source changed."""
    if not _BUILT.exists() or _BUILT.stat().st_mtime < _SOURCE.stat().st_mtime:
        _BUILT.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BUILT.parent) as folder:
            fresh = Path(folder, "shim.so")
            flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", fresh, _SOURCE, "-ldl"]
            subprocess.run(["cc", *flags], check=True)
            fresh.replace(_BUILT)
    return _BUILT


def arm(wanted: Arm) -> None:
    """In a process that has the library: from now on."""
    log = os.open(wanted.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if wanted.log else -1
    library = ctypes.CDLL(None)
    library.shim_arm(
        wanted.directory.encode(),
        wanted.fate,
        ctypes.c_long(wanted.number),
        ctypes.c_long(wanted.times),
        wanted.errno,
        log,
    )


class Clock:
    """Of processes that follow the file *path*: their wall clock is *wrong_s* seconds off, from one moment to the next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jump(0)

    def jump(self, wrong_s: int) -> None:
        # in place, for it is mapped; eight bytes are one write
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
            stream.write(struct.pack("=q", wrong_s))


def follow(clock: str) -> None:
    """In a process that has the library: its wall clock is that of this file from now on."""
    if ctypes.CDLL(None).shim_clock(clock.encode()):
        raise RuntimeError(f"cannot follow {clock}")


def operations(log: Path) -> Iterator[Operation]:
    """What was written down, in its order; half a record at the end is of a killed process."""
    raw = log.read_bytes()
    place = 0
    while place + _HEAD.size <= len(raw):
        kind, at_ns, offset, path, data = _HEAD.unpack_from(raw, place)
        place += _HEAD.size
        if place + path + data > len(raw):
            return
        name, content = raw[place : place + path].decode(), raw[place + path : place + path + data]
        place += path + data
        yield Operation(Kind(kind), at_ns / 1e9, name, offset, content)
