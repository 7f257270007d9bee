"""On which sockets does the daemon answer? Bound here, because their modes and leftovers are ours to mind."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
import stat
from pathlib import Path

from edgetender.errors import Permanent

_BACKLOG = 64
_MODE = 0o660


class AddressTaken(Permanent):
    """Somebody else answers there, or the place cannot be used."""

    code = "api.address_taken"


def group_id(name: str) -> int | None:
    """The id of the group *name*; None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def bind_unix(path: Path, group: int | None) -> socket.socket:
    """Return a listening socket at *path*: mode 0660 from its first moment, of *group* where possible.

    A leftover socket is removed when nobody answers on it. Raises AddressTaken.
    """
    _remove_leftover(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    os.fchmod(listener.fileno(), _MODE)  # Linux gives the path this mode at bind: it is never wider
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        listener.bind(str(path))
        path.chmod(_MODE)  # nor narrower, whatever the umask
    except OSError as error:
        listener.close()
        raise AddressTaken(f"cannot listen on {path}: {error.strerror}; set [api] socket") from error
    if group is not None:
        with contextlib.suppress(PermissionError):  # not root and no member: the daemon's own group keeps it
            os.chown(path, -1, group)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def bind_tcp(address: str) -> socket.socket:
    """Return a listening socket on *address*, `127.0.0.1:8787`. Raises AddressTaken."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
    except OSError as error:
        listener.close()
        raise AddressTaken(f"cannot listen on {address}: {error.strerror}; set [api] listen") from error
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _remove_leftover(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise AddressTaken(f"cannot listen on {path}: {error.strerror}; set [api] socket") from error
    if not stat.S_ISSOCK(mode):
        raise AddressTaken(f"cannot listen on {path}: a file that is no socket is there; set [api] socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                raise AddressTaken(f"cannot listen on {path}: {error.strerror or error}") from error
            path.unlink(missing_ok=True)
            return
    raise AddressTaken(f"cannot listen on {path}: another daemon answers there; stop that one first")
