"""How is a packed layer read? gzip by the standard library; zstd by Python 3.14's, else by the program of that name."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, cast

from edgetender.errors import Permanent

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Yield what is in *path*, unpacked, to be read from front to back. Raises Permanent, OSError."""
    with path.open("rb") as probe:
        magic = probe.read(4)
    if magic == _ZSTD:
        with _zstd(path) as stream:
            yield stream
    elif magic[:2] == _GZIP:
        with gzip.open(path, "rb") as packed:
            yield cast("BinaryIO", packed)
    else:
        with path.open("rb") as plain:
            yield plain


@contextmanager
def _zstd(path: Path) -> Iterator[BinaryIO]:
    if find_spec("compression") is not None:
        with import_module("compression.zstd").open(path, "rb") as stream:
            yield stream
        return
    program = shutil.which("zstd")
    if program is None:
        why = "it is packed with zstd, which nothing here reads; install the program zstd, or push it with gzip layers"
        raise Permanent(f"cannot read the layer {path.name}: {why}")
    with subprocess.Popen(
        [program, "-dcq", "--", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None  # noqa: S101  # it was asked for
        assert running.stderr is not None  # noqa: S101
        try:
            yield cast("BinaryIO", running.stdout)
            while running.stdout.read(_CHUNK):  # a tar ends before its last block does
                pass
        except BaseException:
            running.kill()
            raise
        words = running.stderr.read().decode("utf-8", "replace").strip()
        if running.wait():
            raise Permanent(f"cannot read the layer {path.name}: {words}; it is damaged: fetch it again")
