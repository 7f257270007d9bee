"""Where does a static busybox come from, when no image registry can be reached? From Debian's package."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

from demo.parts.process import PartFailed, run_to_end

_PT_INTERP = 3


def fetch(cache: Path) -> Path:
    """Return a static busybox: the host's if it is one, else unpacked from `busybox-static` below *cache*.

    The package is unpacked, not installed: installed it would displace the host's own busybox.
    """
    cached = cache / "busybox"
    for candidate in (cached, Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if candidate.exists() and is_static(candidate):
            return candidate
    if shutil.which("apt-get") is None:
        raise PartFailed("cannot find a static busybox: install your system's busybox-static")
    unpacked = cache / f"unpack-{os.getpid()}"
    unpacked.mkdir(parents=True)
    try:
        # apt-get download writes to the working directory only
        run_to_end(["sh", "-c", 'cd "$0" && apt-get -q download busybox-static', unpacked], within_s=120)
        (package,) = unpacked.glob("*.deb")
        run_to_end(["dpkg-deb", "-x", package, unpacked / "root"])
        (unpacked / "root/bin/busybox").replace(cached)
    finally:
        shutil.rmtree(unpacked)
    return cached


def is_static(program: Path) -> bool:
    """Whether a 64-bit little-endian ELF program asks for no dynamic loader."""
    blob = program.read_bytes()
    if blob[:6] != b"\x7fELF\x02\x01":
        return False
    (offset,) = struct.unpack_from("<Q", blob, 32)
    size, count = struct.unpack_from("<HH", blob, 54)
    return all(
        struct.unpack_from("<I", blob, offset + index * size)[0] != _PT_INTERP for index in range(count)
    )
