"""How do files become an image layer that is the same each time? Sorted, dated, owned and packed by rule.

The same entries give the same bytes on any machine: names sorted, one time for all, no user names, a gzip
stream without name or time. A `.pyc` carries its source's time; it is set to the same rule, or Python would
compile each module again at every start.
"""

import errno
import hashlib
import os
import stat
import struct
import tarfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, cast

from edgetender.errors import ConfigInvalid, Problem

EPOCH = 315532800  # 1980-01-01: the earliest time a zip file (a wheel made from the tree) can hold
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
_CHUNK = 1 << 20
_LEVEL_OF_STREAMS = 3  # of gzip: gigabytes come this way
_PYC_HEADER = 16
_AS_OPEN_DOES = os.access in os.supports_effective_ids
_SKIPPED = frozenset(
    {"__pycache__", ".git", ".hg", ".svn", ".venv", ".mypy_cache", ".pytest_cache", ".DS_Store"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a layer. *path* is relative to the image's root; *mode* is permission bits only.

    What it is: *link* set, a symbolic link; *hardlink* set, another name of that path; else *content*, bytes
    or a file to read; None, a directory.
    """

    path: str
    content: bytes | Path | None = None
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    link: str | None = None
    hardlink: str | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """A packed layer: *digest* and *size* of the gzip stream, *diff_id* of the tar inside.

    A base's layer may be packed otherwise; *media_type* says how.
    """

    digest: str
    diff_id: str
    size: int
    media_type: str = GZIP


class _Packing:
    """A writable stream: counts and hashes the tar, compresses it, hashes and writes the result."""

    def __init__(self, out: Any, level: int, blobs: Path) -> None:
        self._out, self._blobs = out, blobs
        self._zip = zlib.compressobj(level, zlib.DEFLATED, 31)
        self._plain, self._packed = hashlib.sha256(), hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        self._plain.update(data)
        self._emit(self._zip.compress(data))
        return len(data)

    def _emit(self, data: bytes) -> None:
        self._packed.update(data)
        self._size += len(data)
        self._out.write(data)

    def kept(self) -> Layer:
        """Finish; name the blob by its digest."""
        self._emit(self._zip.flush())
        self._out.flush()
        os.fsync(self._out.fileno())
        digest = self._packed.hexdigest()
        os.chmod(self._out.name, 0o644)  # noqa: PTH101  a temporary file is its owner's alone
        os.replace(self._out.name, self._blobs / digest)  # noqa: PTH105
        return Layer(f"sha256:{digest}", f"sha256:{self._plain.hexdigest()}", self._size)


def pack(entries: Iterable[Entry], blobs: Path, *, level: int = 6, in_order: bool = False) -> Layer:
    """Write the entries as a layer into *blobs* (a directory of files named by their digest); return it.

    They are sorted, hard links last; *in_order* takes them as they come, one at a time.
    """
    with _packing(blobs, level) as packing:
        with tarfile.open(
            fileobj=cast("BinaryIO", packing), mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK
        ) as tar:
            for entry in entries if in_order else sorted(entries, key=_order):
                _add(tar, entry)
        return packing.kept()


def pack_stream(tar: BinaryIO, blobs: Path) -> Layer:
    """Write a tar as it is as a layer into *blobs*; return it."""
    with _packing(blobs, _LEVEL_OF_STREAMS) as packing:
        while chunk := tar.read(_CHUNK):
            packing.write(chunk)
        return packing.kept()


@contextmanager
def _packing(blobs: Path, level: int) -> Iterator[_Packing]:
    """A packing whose blob is there, whole, once `kept` was called; or not at all."""
    blobs.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(prefix=".part-", dir=blobs, delete=False) as out:
        try:
            yield _Packing(out, level, blobs)
        finally:
            Path(out.name).unlink(missing_ok=True)


def _order(entry: Entry) -> tuple[bool, str]:
    return entry.hardlink is not None, entry.path


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mtime, info.mode = EPOCH, entry.mode
    info.uid, info.gid = entry.owner
    if entry.link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        tar.addfile(info)
    elif entry.hardlink is not None:
        info.type, info.linkname = tarfile.LNKTYPE, entry.hardlink
        tar.addfile(info)
    elif entry.content is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif entry.path.endswith(".pyc") or isinstance(entry.content, bytes):
        content = entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content
        content = dated(content) if entry.path.endswith(".pyc") else content
        info.size = len(content)
        tar.addfile(info, BytesIO(content))
    else:
        with entry.content.open("rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            tar.addfile(info, file)


def dated(pyc: bytes) -> bytes:
    """Return compiled code that goes with a source of the time all sources get here (PEP 552, flags 0)."""
    if len(pyc) < _PYC_HEADER or pyc[4:8] != b"\0\0\0\0":
        return pyc  # goes by hash, not by time
    return pyc[:8] + struct.pack("<I", EPOCH) + pyc[12:]


def tree(
    root: Path, at: str, *, skip_caches: bool = True, kept: frozenset[Path] | None = None
) -> Iterator[Entry]:
    """Yield what is under *root* as it shall be at *at* in the image: owned by root, readable by all.

    Symbolic links stay links when they lead to a place inside *root*; others would point at something else on the
    device. *skip_caches*: leave version control and caches out. *kept*: leave out what is not among these.
    Raises ConfigInvalid at the end, with everything that cannot be packed or read.
    """
    problems: list[Problem] = []

    def note(path: Path, why: str) -> None:
        problems.append(Problem(str(path), "path.unpackable", why))

    def unread(error: OSError) -> None:
        """A directory nobody may read would be left out of the image without a word."""
        note(Path(error.filename), f"cannot be read: {error.strerror}")

    yield Entry(at)
    for folder, names, files in os.walk(root, onerror=unread):
        here = Path(folder)
        names[:] = sorted(
            name
            for name in names
            if not (skip_caches and name in _SKIPPED) and (kept is None or here / name in kept)
        )
        for name in (*names, *sorted(files)):
            if skip_caches and (name in _SKIPPED or name.endswith(".pyc")):
                continue
            path = here / name
            if kept is not None and path not in kept:
                continue
            status = path.lstat()
            if why := _why_not(path, status, root):
                note(path, why)
            else:
                yield _entry(path, status, f"{at}/{path.relative_to(root).as_posix()}")
    if problems:
        raise ConfigInvalid(tuple(problems))


def unpackable(root: Path) -> tuple[Problem, ...]:
    """Return everything for which `tree` would refuse *root*."""
    try:
        deque(tree(root, ""), maxlen=0)
    except ConfigInvalid as error:
        return error.problems
    return ()


def _why_not(path: Path, status: os.stat_result, root: Path) -> str | None:
    """Why *path* cannot be packed; a directory that cannot be read is told by the walk."""
    if stat.S_ISLNK(status.st_mode):
        target = path.readlink()
        if not path.exists() and _leads_round(path):
            return "is a link that leads to itself"
        # realpath, because Path.resolve raises at a link that leads to itself
        inside = Path(os.path.realpath(path.parent / target)).is_relative_to(os.path.realpath(root))
        return f"is a link that leads out of {root}" if target.is_absolute() or not inside else None
    if stat.S_ISREG(status.st_mode):
        return (
            None
            if os.access(path, os.R_OK, effective_ids=_AS_OPEN_DOES)
            else "cannot be read: Permission denied"
        )
    return None if stat.S_ISDIR(status.st_mode) else "is neither file, directory nor link"


def _leads_round(link: Path) -> bool:
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _entry(path: Path, status: os.stat_result, at: str) -> Entry:
    if stat.S_ISLNK(status.st_mode):
        return Entry(at, link=PurePosixPath(path.readlink()).as_posix())
    if stat.S_ISDIR(status.st_mode):
        return Entry(at)
    return Entry(at, path, mode=0o755 if status.st_mode & 0o100 else 0o644)
