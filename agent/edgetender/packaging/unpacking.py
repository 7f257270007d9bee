"""How do a layer's files get onto this disk without getting anywhere else? Every member is checked."""

import os
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from edgetender.errors import Permanent
from edgetender.packaging.layer import EPOCH


def unpack(tar: tarfile.TarFile, prefix: str, into: Path) -> None:
    """Write the members below *prefix* into *into*, dated as in the layer's rule; others are left out.

    Raises Permanent for a member that would leave *into*, by its name or through a link. Owners are not kept.
    """
    folders: list[Path] = []
    for member in tar:
        if (at := _below(member, prefix)) is None:
            continue
        path = into / at
        if path != into and not path.parent.resolve().is_relative_to(into.resolve()):
            raise Permanent(
                f"cannot unpack {member.name!r}: it leads out of its directory; do not trust this image"
            )
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            folders.append(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            _check_link(member, at)
            path.symlink_to(member.linkname)
        elif member.islnk():
            raise Permanent(
                f"cannot unpack {member.name!r}: a second name of a file may lead anywhere; make it without hard links"
            )
        elif file := tar.extractfile(member):
            with path.open("xb") as out:  # x: nothing may be written through a link of the same name
                while chunk := file.read(1 << 20):
                    out.write(chunk)
            path.chmod(member.mode & 0o777)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    date(folders)


def date(paths: Iterable[Path]) -> None:
    """Give directories the one time, inner ones first: writing into them changed it."""
    for path in sorted(paths, reverse=True):
        os.utime(path, (EPOCH, EPOCH))


def _below(member: tarfile.TarInfo, prefix: str) -> PurePosixPath | None:
    path = PurePosixPath(member.name.removeprefix("./"))
    if path.is_absolute() or ".." in path.parts:
        raise Permanent(
            f"cannot unpack {member.name!r}: it leads out of its directory; do not trust this image"
        )
    return path.relative_to(prefix) if path.is_relative_to(prefix) else None


def _check_link(member: tarfile.TarInfo, at: PurePosixPath) -> None:
    target = PurePosixPath(os.path.normpath(at.parent / member.linkname))
    if target.is_absolute() or target.parts[:1] == ("..",):
        raise Permanent(
            f"cannot unpack {member.name!r}: the link leads out of its directory; do not trust this image"
        )
