"""Which password belongs to a name? Files only root or this daemon can read, systemd's credentials first."""

from __future__ import annotations

import errno
import json
import os
import pwd
import re
import shlex
import stat
from pathlib import Path

from edgetender.errors import CredentialUnusable
from edgetender.model.access import Access, access_of
from edgetender.model.image import Credential
from edgetender.secret import Secret
from edgetender.trust.handed import SecretFolders

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_BYTES = 64 * 1024
_OURS, _SYSTEMD = 0o077, 0o037  # bits that must be clear; systemd hands out 0440 root:root (systemd.exec(5))


class CredentialFiles:
    """Keeps the Credentials port: `<directory>/<name>` holds `{"username": …, "password": …}`, or how to come
    by what a registry asks for (model/access.py).

    Read anew each time, so a changed password needs no restart. *systemd_directory* is $CREDENTIALS_DIRECTORY,
    looked at first; *received*, where those are that came with a deployment, last. *uid* is who may own a file
    besides root; None: who runs this.
    From any thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        systemd_directory: Path | None,
        received: Path | None = None,
        uid: int | None = None,
    ) -> None:
        self._directory, self._systemd_directory, self._received = directory, systemd_directory, received
        self._uid = os.geteuid() if uid is None else uid

    def get(self, name: str, registry: str = "") -> Credential:  # noqa: ARG002  # the same for each
        """Raises CredentialUnusable, with the command that repairs it; never with what the file holds."""
        found = self.said(name)
        if isinstance(found, Credential):
            return found
        raise CredentialUnusable(
            f"cannot use the credential {name!r} here: it gets tokens of registries; put username and password there"
        )

    def said(self, name: str) -> Credential | Access:
        """As `get`, or how to come by it."""
        path, body = self._found(name, "put username and password there as JSON")
        return _parsed(name, path, body)

    def secret(self, name: str) -> Secret:
        """What the file holds, as it is, for a module. Raises CredentialUnusable."""
        path, body = self._found(name, "put the secret there")
        if len(body) > _MOST_BYTES:
            raise _unusable(path, f"it is longer than {_MOST_BYTES} bytes", "shorten it")
        return Secret(body.decode("utf-8", "surrogateescape"))

    def folders(self, root: Path) -> SecretFolders:
        """Where secrets are laid for containers, below *root*."""
        return SecretFolders(root, self.secret)

    def _found(self, name: str, wanted: str) -> tuple[Path, bytes]:
        if not NAME.fullmatch(name):
            raise CredentialUnusable(
                f"cannot use the credential {name!r}: a name is 1 to 64 letters, digits, '.', '_', '-'"
            )
        if self._systemd_directory is not None:
            found = self._read(self._systemd_directory / name, _SYSTEMD)
            if found is not None:
                return self._systemd_directory / name, found
        path = self._directory / name
        found = self._read(path, _OURS)
        if found is None and self._received is not None:
            path, missing = self._received / name, path
            found = self._read(path, _OURS)
            path = path if found is not None else missing
        if found is None:
            raise CredentialUnusable(
                f"cannot use the credential {name!r}: {path} is missing; {wanted}, then chmod 600 {_quoted(path)}"
            )
        return path, found

    def _read(self, path: Path, forbidden: int) -> bytes | None:
        """Return the file's bytes, None when there is none. What is checked is the very file that is read."""
        try:
            # O_NONBLOCK: a fifo put here must not hang the daemon
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unopened(path, error, self._uid) from error
        try:
            _check(path, os.fstat(descriptor), forbidden, self._uid)
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                return stream.read(_MOST_BYTES + 1)
        finally:
            os.close(descriptor)


def _check(path: Path, status: os.stat_result, forbidden: int, uid: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, "it is no regular file", f"replace it by one with chmod 600 {_quoted(path)}")
    if status.st_uid not in {0, uid}:
        owner = _user(status.st_uid)
        raise _unusable(path, f"it belongs to {owner}", f"run: chown {_user(uid)} {_quoted(path)}")
    if status.st_mode & forbidden:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise _unusable(path, f"its mode {mode} lets others read it", f"run: chmod 600 {_quoted(path)}")


def _parsed(name: str, path: Path, body: bytes) -> Credential | Access:
    wanted = 'write {"username": "…", "password": "…"}'
    if len(body) > _MOST_BYTES:
        raise _unusable(path, f"it is longer than {_MOST_BYTES} bytes", wanted)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None  # raised below: json's own error carries the text it could not read
    if isinstance(document, dict) and "kind" in document:
        try:
            return access_of(document)
        except ValueError as error:
            help_ = "docs/how-to/private-registry.md has one of each kind"
            raise _unusable(path, str(error), help_) from error
    if not isinstance(document, dict) or document.keys() != {"username", "password"}:
        raise _unusable(path, "it is no JSON object of exactly username and password", wanted)
    username, password = document["username"], document["password"]
    if not isinstance(username, str) or not isinstance(password, str) or not username or not password:
        raise _unusable(path, "username and password must be texts that are not empty", wanted)
    if ":" in username:  # RFC 7617: the first colon ends the user name
        raise _unusable(path, "a user name holds no colon", f"correct the credential {name!r}")
    return Credential(username, Secret(password), name)


def _unopened(path: Path, error: OSError, uid: int) -> CredentialUnusable:
    match error.errno:
        case errno.ELOOP:
            return _unusable(path, "it is a symbolic link", "put the file itself there")
        case errno.EACCES | errno.EPERM:
            return _unusable(
                path,
                f"{_user(uid)} cannot read it",
                f"run: chown {_user(uid)} {_quoted(path)}, or load it by systemd",
            )
        case _:
            return _unusable(path, error.strerror or "it cannot be opened", "look at it with ls -l")


def _unusable(path: Path, why: str, help_: str) -> CredentialUnusable:
    return CredentialUnusable(f"cannot use the credential file {path}: {why}; {help_}")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
