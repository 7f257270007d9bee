"""What does an image stand on? Makes a base from a Debian root file system, and finds a base's Python."""

import os
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgetender.errors import Permanent
from edgetender.packaging import oci_layout
from edgetender.packaging.layer import Entry, Layer, pack
from edgetender.packaging.oci_layout import Image

_MACHINES = {"amd64": "amd64", "arm64": "arm64", "armhf": "arm", "i386": "386", "ppc64el": "ppc64le"}
_VARIANTS = {"armhf": "v7", "arm64": "v8"}
_EMPTIED = re.compile(  # what differs from run to run or is of no use in a container; the directories stay
    r"^(dev|proc|sys|run|tmp|boot|mnt|media|home|root|var/cache|var/log|var/tmp|var/lib/apt/lists"
    r"|usr/share/(man|info|locale|lintian|bug|doc-base)|usr/share/doc/.*/(?!copyright$)[^/]*)/.+"
    r"|^usr/share/doc/[^/]+/(?!copyright$)[^/]+$"
    r"|^etc/(machine-id|hostname|resolv\.conf|hosts|passwd-|group-|shadow-|gshadow-)$"
    r"|^var/lib/dpkg/[^/]*-old$|^var/lib/systemd/.*/?(random-seed|credential\.secret)$"
)
PYTHON = re.compile(r"^(?:\./)?((?:usr/|usr/local/|opt/[\w.-]+/)?bin/python3\.(\d+))$")
LIBC = re.compile(r"(^|/)libc\.so\.6$|(^|/)libc-2\.\d+\.so$")
GLIBC_VERSION = re.compile(rb"GNU C Library .*?(?:release|stable release) version (2\.\d+)")
_ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
_LEVEL = 3  # of gzip: a base is packed once and large; 6 takes twice the time for 4 % less


@dataclass(frozen=True, slots=True)
class Python:
    """The interpreter of a base: its path in the image, its minor version (3.x), the C library's (2.x)."""

    path: str
    minor: int
    glibc_minor: int
    platform: str


def from_rootfs(rootfs: Path, out: Path) -> str:
    """Make *out* an OCI layout of the root file system (a directory, or a tar); return its digest.

    One layer, the same for the same files. Left out: device nodes, caches, logs, manuals, the machine's own
    identity. A directory made by debootstrap is to be read as root. Raises Permanent, OSError.
    """
    with TemporaryDirectory(prefix="edgetender-base-", dir=out.parent) as scratch:
        image = import_rootfs(rootfs, Path(scratch))
        oci_layout.write(image, out)
    return image.digest


def import_rootfs(rootfs: Path, blobs: Path) -> Image:
    """Put the root file system into *blobs* as an image of one layer. Raises as `from_rootfs`."""
    if rootfs.is_dir():
        layer = pack(_from_directory(rootfs), blobs, level=_LEVEL)
        status = rootfs / "var/lib/dpkg/status"
        machine = _machine(status.read_text(encoding="utf-8", errors="replace") if status.is_file() else "")
    else:
        layer, machine = _from_tar(rootfs, blobs)
    return oci_layout.put_image(blobs, _config(machine, layer), (layer,))


def _machine(status: str) -> str:
    """The architecture of the `dpkg` package itself, in Debian's word."""
    for block in status.split("\n\n"):
        if re.search(r"^Package: (dpkg|libc6)$", block, re.MULTILINE) and (
            found := re.search(r"^Architecture: (\w+)$", block, re.MULTILINE)
        ):
            return found[1]
    raise Permanent(
        "cannot import the root file system: no dpkg status in it says its architecture; name an OCI layout of it"
    )


def _config(machine: str, layer: Layer) -> dict[str, Any]:
    variant = {"variant": _VARIANTS[machine]} if machine in _VARIANTS else {}
    return {
        "created": "1980-01-01T00:00:00Z",
        "architecture": _MACHINES.get(machine, machine),
        **variant,
        "os": "linux",
        "config": {"Env": _ENV, "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created": "1980-01-01T00:00:00Z", "created_by": "edgetender: root file system"}],
    }


def _from_directory(rootfs: Path) -> Iterator[Entry]:
    firsts: dict[tuple[int, int], str] = {}
    for folder, names, files in os.walk(rootfs):
        names.sort()
        for name in sorted((*names, *files)):
            path = Path(folder, name)
            at = path.relative_to(rootfs).as_posix()
            if _EMPTIED.match(at):
                continue
            status = path.lstat()
            mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
            if stat.S_ISLNK(status.st_mode):
                yield Entry(at, link=str(path.readlink()), owner=owner)
            elif stat.S_ISDIR(status.st_mode):
                yield Entry(at, mode=mode, owner=owner)
            elif stat.S_ISREG(status.st_mode):
                first = firsts.setdefault((status.st_dev, status.st_ino), at)
                if first == at:
                    yield Entry(at, path, mode=mode, owner=owner)
                else:
                    yield Entry(at, hardlink=first, mode=mode, owner=owner)
            # device nodes and sockets are the engine's to make


def _from_tar(archive: Path, blobs: Path) -> tuple[Layer, str]:
    """Nothing is unpacked: members go from archive to layer in the archive's order."""
    status: list[str] = []

    def entries(tar: tarfile.TarFile) -> Iterator[Entry]:
        for member in tar:
            at = member.name.removeprefix("./").strip("/")
            if not at or at == "." or _EMPTIED.match(at) or ".." in at.split("/"):
                continue
            owner = (member.uid, member.gid)
            if member.issym():
                yield Entry(at, link=member.linkname, owner=owner)
            elif member.islnk():
                yield Entry(at, hardlink=member.linkname.removeprefix("./"), mode=member.mode, owner=owner)
            elif member.isdir():
                yield Entry(at, mode=member.mode, owner=owner)
            elif file := tar.extractfile(member):  # None for device nodes: the engine makes them
                content = file.read()
                if at == "var/lib/dpkg/status":
                    status.append(content.decode("utf-8", "replace"))
                yield Entry(at, content, mode=member.mode, owner=owner)

    try:
        with tarfile.open(archive, "r|*") as tar:
            layer = pack(entries(tar), blobs, level=_LEVEL, in_order=True)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise Permanent(
            f"cannot import {archive}: it is no root file system in a tar: {error}; name one, or a directory"
        ) from error
    return layer, _machine("".join(status))


def python_of(image: Image) -> Python:
    """Return the Python of an image, from its files. Raises Permanent when it has none that can serve."""
    found, glibc = _look(image)
    if found is None:
        raise Permanent("cannot use the base image: it has no python3 in bin; install Python 3.11 or newer")
    return Python(found[0], found[1], _known(glibc), image.platform)


def glibc_of(image: Image) -> int:
    """Return the minor version (2.x) of an image's C library. Raises Permanent when it has no GNU one."""
    return _known(_look(image)[1])


def _known(glibc: int | None) -> int:
    if glibc is None:
        raise Permanent(
            "cannot use the base image: no GNU C Library in it, which wheels need; take one of Debian or the like"
        )
    return glibc


def _look(image: Image) -> tuple[tuple[str, int] | None, int | None]:
    found: tuple[str, int] | None = None
    glibc: int | None = None
    for layer in image.layers:
        with oci_layout.opened(image, layer) as tar:
            for member in tar:
                if match := PYTHON.match(member.name):
                    best = ("/" + match[1], int(match[2]))
                    found = best if found is None or best[1] >= found[1] else found
                elif member.isreg() and LIBC.search(member.name) and (file := tar.extractfile(member)):
                    version = GLIBC_VERSION.search(file.read())
                    glibc = int(version[1].split(b".")[1]) if version else glibc
    return found, glibc
