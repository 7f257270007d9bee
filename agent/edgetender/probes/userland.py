"""Which architecture and which C library do the programs of this machine have?

A 64-bit kernel may carry a 32-bit userland.
"""

from __future__ import annotations

import re
import struct

from edgetender.model.hardware import Fact
from edgetender.probes.tree import Tree

# e_machine of an ELF header, and whether it is 64-bit (System V ABI)
_MACHINES = {(62, 2): "amd64", (3, 1): "386", (183, 2): "arm64", (40, 1): "arm", (243, 2): "riscv64"}
_EVERYWHERE = ("usr/bin/env", "bin/busybox", "bin/sh", "sbin/init")
_LOADERS = (
    ("lib/ld-linux-aarch64.so.1", "arm64"),
    ("lib64/ld-linux-x86-64.so.2", "amd64"),
    ("lib/ld-linux-armhf.so.3", "arm"),
    ("lib/ld-linux.so.3", "arm"),
    ("lib/ld-linux.so.2", "386"),
)
_HEADER = 20
_LIBC = "libc.so.6"
_LIBC_BYTES = 4 * 1024 * 1024
_FOLDERS = ("lib", "lib64", "usr/lib", "usr/lib64")


def userland(tree: Tree) -> tuple[str | None, str]:
    """The architecture in the words of images, None where no program is found; and where that was seen."""
    for path in _EVERYWHERE:
        head = tree.bytes(path, _HEADER)
        if head is not None and len(head) == _HEADER and head.startswith(b"\x7fELF"):
            order = "<" if head[5] == 1 else ">"
            (machine,) = struct.unpack_from(f"{order}H", head, 18)
            return _MACHINES.get((machine, head[4])), tree.shown(path)
    there = [(path, arch) for path, arch in _LOADERS if tree.exists(path)]
    if there:
        path, arch = there[0]  # a 64-bit userland may carry 32-bit loaders as well, not the other way round
        return arch, tree.shown(path)
    return None, ""


def glibc(tree: Tree) -> Fact:
    """The version of the GNU C library, as it says itself; images bring their own, so it is rarely needed."""
    for path in _libraries(tree):
        said = re.search(
            rb"GNU C Library [^\n]*?release version (\d+\.\d+)", tree.bytes(path, _LIBC_BYTES) or b""
        )
        if said:
            return Fact("glibc", said[1].decode(), tree.shown(path))
    musl = next(
        (name for folder in _FOLDERS for name in tree.names(folder) if name.startswith("ld-musl-")), ""
    )
    why = f"its C library is musl ({musl})" if musl else f"there is no {_LIBC}"
    return Fact("glibc", None, tree.shown(_FOLDERS[0]), why, code="no_glibc" if musl else "not_found")


def _libraries(tree: Tree) -> list[str]:
    """Debian keeps it in a folder of its architecture, others beside everything else."""
    folders = [
        f"{top}/{name}" for top in ("lib", "usr/lib") for name in tree.names(top) if "-linux-gnu" in name
    ]
    return [path for folder in (*folders, *_FOLDERS) if tree.exists(path := f"{folder}/{_LIBC}")]
