"""The network and the disks as they are: what checks ask of them, for real."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import threading
from pathlib import Path

from edgetender.checks.device import Contact
from edgetender.transports.tls import client_context

_TIMEOUT_S = 5.0
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized


class Sockets:
    """Implements `device.Network`."""

    def resolve(self, host: str) -> tuple[str, ...]:
        found: list[tuple[str, ...] | OSError] = []

        def ask() -> None:
            try:
                told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                found.append(tuple(dict.fromkeys(str(one[4][0]) for one in told)))
            except OSError as error:
                found.append(error)
            except UnicodeError as error:  # a label that is empty or too long is no name
                found.append(socket.gaierror(socket.EAI_NONAME, f"no host name: {error}"))

        # the resolver has no time-out of ours; its thread ends by itself
        thread = threading.Thread(target=ask, name="resolve", daemon=True)
        thread.start()
        thread.join(_TIMEOUT_S)
        if not found:
            raise TimeoutError
        answer = found[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def reach(self, host: str, port: int) -> None:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()

    def handshake(
        self, host: str, port: int, ca: Path | None, certificate: Path | None, key: Path | None
    ) -> Contact:
        context = client_context(ca, certificate, key)
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return Contact(wrapped.getpeercert(binary_form=True) or b"", wrapped.version() or "")


class FileSystems:
    """Implements `device.Disks`."""

    def space(self, path: Path) -> tuple[int, int]:
        usage = shutil.disk_usage(path)
        return usage.free, usage.total

    def inodes(self, path: Path) -> tuple[int, int]:
        found = os.statvfs(path)
        return found.f_favail, found.f_files


def synchronized(root: Path = Path("/")) -> bool | None:
    """Whether the kernel's clock follows a time server; None where nobody says."""
    if (root / "run/systemd/timesync/synchronized").exists():
        return True
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR  # below 0: a sandbox forbids the question
