"""Where do messages lie that were committed, but are too few for the database? In a file that is written over in place.

A commit to a database costs pages, their log, and the file system's own journal, some 30 KB for the ten messages of
ten seconds. Here it costs one block of 4 KiB: the file has its full size from the start, so that nothing but data
is written. When it is full, or something else is to be committed, everything goes to the database in one
transaction, which names the next *epoch*: records of another one are history.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgetender import durable
from edgetender.errors import StoreDamaged
from edgetender.store.packs import Row, pack, unpack

_BLOCK = 4096
_BLOCKS = 64
_BYTES = _BLOCK * _BLOCKS
_MOST_BYTES = 32 * 1024  # more at a time costs the database no more
_HEAD = struct.Struct("<4sIQIId")  # mark, checksum of what follows, epoch, its place in it, length, age_s
_MARK = b"spl1"
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Spool:
    """*epoch* is what the database names, None where it names none: then nothing can be read, nor appended.

    Not thread-safe: its outbox is. Raises StoreDamaged where the disk fails.
    """

    def __init__(self, path: Path, epoch: int | None) -> None:
        self._path, self.epoch = path, epoch
        self._file: int | None = None
        self._records = self._blocks = 0
        self.age_s = 0.0

    @property
    def used(self) -> bool:
        return self._blocks > 0

    def read(self) -> tuple[list[Row], bool]:
        """What was committed here and not to the database yet, and whether it is all of it."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return [], True
        except OSError as error:
            raise self._damaged(error) from error
        rows: list[Row] = []
        whole = True
        for place, blocks, age_s, found in self._found(raw):
            whole = whole and place == self._records
            self._records, self._blocks = place + 1, blocks
            self.age_s = age_s
            rows += found
        if not whole or len(raw) != _BYTES:
            self.epoch = (
                None  # what is here goes to the database before anything else is trusted to this file
            )
        return rows, whole

    def append(self, rows: Sequence[Row], age_s: float) -> bool:
        """Whether *rows* are on the disk now; False where they are many, there is no room, or no epoch."""
        if self.epoch is None or sum(row.size for row in rows) > _MOST_BYTES:
            return False
        body = pack(rows)
        rest = struct.pack("<QIId", self.epoch, self._records, len(body), age_s) + body
        record = _MARK + struct.pack("<I", zlib.crc32(rest)) + rest
        blocks = -(-len(record) // _BLOCK)
        if self._blocks + blocks > _BLOCKS:
            return False
        try:
            file = self._open()
            written = os.pwrite(file, record.ljust(blocks * _BLOCK, b"\0"), self._blocks * _BLOCK)
            os.fdatasync(file)
        except OSError as error:
            if error.errno in _FULL:
                return False
            raise self._damaged(error) from error
        # where writing over needs room, too (btrfs), a full disk takes what it still can
        if written < blocks * _BLOCK:
            return False
        self._records, self._blocks = self._records + 1, self._blocks + blocks
        return True

    def begin(self, epoch: int) -> None:
        """The database has everything, and names *epoch*."""
        self.epoch, self._records, self._blocks = epoch, 0, 0

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _found(self, raw: bytes) -> Iterator[tuple[int, int, float, Iterable[Row]]]:
        """The records of this epoch: each one's place, the blocks up to its end, its age, and what it holds."""
        block = 0
        while (block + 1) * _BLOCK <= len(raw):
            start, block = block * _BLOCK, block + 1
            mark, checksum, epoch, place, length, age_s = _HEAD.unpack_from(raw, start)
            end = start + _HEAD.size + length
            if mark != _MARK or epoch != self.epoch or zlib.crc32(raw[start + 8 : end]) != checksum:
                continue
            block = -(-end // _BLOCK)
            yield place, block, age_s, unpack(raw[start + _HEAD.size : end])

    def _open(self) -> int:
        if self._file is None:
            if not self._path.exists() or self._path.stat().st_size != _BYTES:
                # zeros that are written, not merely promised: a promise is kept by the file system's journal
                durable.replace(self._path, bytes(_BYTES), mode=0o600)
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._file

    def _damaged(self, error: OSError) -> StoreDamaged:
        return StoreDamaged(f"cannot use {self._path}: {error.strerror}; a restart opens it again")
