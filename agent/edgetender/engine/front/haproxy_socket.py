"""How is a running HAProxy told what to do? Over its admin socket, one connection per conversation."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from edgetender.errors import FrontDown

_TIMEOUT_S = 2.0  # it answers within milliseconds; who does not within this hangs
_PATH_MAX = 100  # a unix socket's path ends at 107 bytes


def ask(path: Path, *commands: str) -> str:
    """Say *commands* in this order and return all that was answered.

    Raises FrontDown when nobody answers: HAProxy starts, has died, or hangs (`hung` tells).
    """
    answer, where, directory = b"", str(path), None
    try:
        if len(where) > _PATH_MAX:  # a state directory may lie deep: through its descriptor any path is short
            directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
            where = f"/proc/self/fd/{directory}/{path.name}"
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(_TIMEOUT_S)
            wire.connect(where)
            wire.sendall(";".join(commands).encode() + b"\n")
            until = time.monotonic() + _TIMEOUT_S
            while (piece := wire.recv(65536)) and time.monotonic() < until:
                answer += piece
    except OSError as error:
        raise FrontDown(f"cannot ask the front at {path}: {error.strerror or error}") from error
    finally:
        if directory is not None:
            os.close(directory)
    return answer.decode(errors="replace")


def hung(error: FrontDown) -> bool:
    """Whether somebody holds the socket and does not answer, or does not even accept (its queue is full)."""
    return isinstance(error.__cause__, TimeoutError | BlockingIOError)
