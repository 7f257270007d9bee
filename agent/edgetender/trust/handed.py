"""How does a container get a secret? As a file in memory that it alone is shown, never as a variable.

A variable is in `docker inspect`, in every child process and in what a crash writes down.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgetender import durable
from edgetender.errors import CredentialUnusable, DiskFull
from edgetender.secret import Secret

_FOLDER, _FILE = 0o755, 0o444  # for whichever user the image runs as; on the device, *root* keeps others out


class SecretFolders:
    """Keeps the ports Secrets and Keys below *root*, which lies in memory and is this daemon's alone (0700).

    The agent may give no file to another user, so what lies there can be read by each user of the one container
    that is shown the folder, and by nobody else on the device but root. From the loop's thread.
    """

    def __init__(self, root: Path, read: Callable[[str], Secret]) -> None:
        self._root, self._read = root, read

    def read(self, name: str) -> Secret:
        return self._read(name)

    def lay(self, folder: str, names: Sequence[str]) -> Path:
        return self.put(folder, {name: self._read(name) for name in names})  # all, before anything is written

    def put(self, folder: str, contents: Mapping[str, Secret]) -> Path:
        place = self._root / folder
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._root.chmod(0o700)
            place.mkdir(exist_ok=True)
            place.chmod(_FOLDER)
            for name, secret in contents.items():
                durable.replace(place / name, _bytes(secret), mode=_FILE)  # a container may read it right now
            for other in {path.name for path in place.iterdir()} - contents.keys():
                (place / other).unlink()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"cannot hand secrets over in {place}: {error.strerror}") from error
            why = f"cannot hand secrets over in {place}: {error.strerror}"
            raise CredentialUnusable(f"{why}; may this user write to {self._root}?") from error
        return place

    def holds(self, folder: str, contents: Mapping[str, Secret]) -> bool:
        try:
            there = {path.name: path.read_bytes() for path in (self._root / folder).iterdir()}
        except OSError:
            return False
        return there == {name: _bytes(secret) for name, secret in contents.items()}

    def clear(self, folder: str) -> None:
        shutil.rmtree(self._root / folder, ignore_errors=True)


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogateescape")
