"""One daemon per state directory and per engine: locks that the kernel drops with the process, however it ends."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from edgetender.errors import AlreadyRunning

log = logging.getLogger(__name__)

_PEER = struct.Struct("3i")  # pid, uid, gid


class StateLock:
    """Holds the lock while entered. Raises AlreadyRunning with the pid of the holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise AlreadyRunning(
                f"cannot start: another daemon (pid {holder}) holds {self._path.parent}; "
                "stop it, or give this one its own state_dir"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


class EngineLock:
    """One daemon for *device* on the engine at *address*: two would undo each other's work for ever.

    Holds a name of the kernel's (an abstract socket) while entered. Raises AlreadyRunning with the pid of the
    holder. A name that a stranger holds stops nobody: he could, on any machine, and gain nothing by it.
    """

    def __init__(self, address: str, device: str) -> None:
        path = address.removeprefix("unix://")
        where = os.path.realpath(path) if path.startswith("/") else address
        self._where, self._device = where, device
        self._name = b"\0edgetender/" + hashlib.sha256(f"{where}\n{device}".encode()).hexdigest().encode()
        self._socket = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        try:
            self._socket.bind(self._name)
            self._socket.listen(128)
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise
            pid, uid = self._holder()
            if uid not in (0, os.geteuid(), None):
                log.warning("a stranger holds this engine's name", extra={"fields": {"pid": pid, "uid": uid}})
                return self
            raise AlreadyRunning(
                f"cannot start: another daemon (pid {pid or 'unknown'}) tends {self._device} on {self._where}; "
                "stop it, or give this one another device name"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _holder(self) -> tuple[int | None, int | None]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(1.0)
            try:
                asking.connect(self._name)
                raw = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            except OSError:
                return None, None
        pid, uid, _ = _PEER.unpack(raw)
        return pid, uid
