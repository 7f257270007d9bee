"""How is an agent on another machine asked? Through `ssh`, as the user that its owner lets in there.

The far side is `edgetender api-pipe`: it ties what ssh carries to that device's socket, whose rights then count as they
do for whoever is logged in there. Keys, known hosts, jumps and names are ssh's business, in its own configuration.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

PIPE = "api-pipe"
_CONNECT_S, _END_S = 10, 2.0
_HOST = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@)?"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?/?"
)
_UNKNOWN_COMMAND, _SSH_FAILED = 127, 255  # the far shell's, and ssh's own
_NOT_ALLOWED = 5  # our own exit code


class RemoteFailed(OSError):
    """The way there, or its end, did not do: *permission* where the far side does not take that user's word."""

    def __init__(self, why: str, *, permission: bool = False) -> None:
        super().__init__(why)
        self.permission = permission


@dataclass(frozen=True, slots=True)
class Remote:
    """A device as ssh reaches it: `ssh://[user@]host[:port]`."""

    host: str
    user: str = ""
    port: str = ""

    def __str__(self) -> str:
        user, port = (f"{self.user}@" if self.user else ""), (f":{self.port}" if self.port else "")
        return f"ssh://{user}{self.host}{port}"

    @property
    def words(self) -> list[str]:
        """Nothing of it is asked of a terminal: a script would hang in it."""
        where = [*(["-l", self.user] if self.user else []), *(["-p", self.port] if self.port else [])]
        options = ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}"]
        return ["ssh", *options, *where, "--", self.host.strip("[]"), f"edgetender {PIPE}"]

    @contextmanager
    def connected(self, timeout_s: float | None) -> Iterator[socket.socket]:
        """A connection to that device's agent; *timeout_s* bounds each silence.

        Raises OSError; RemoteFailed, with what ssh or the far side said, where nothing came back.
        """
        import subprocess
        from tempfile import TemporaryFile

        near, far = socket.socketpair()
        with near, TemporaryFile() as words:
            with far:
                process = subprocess.Popen(self.words, stdin=far.fileno(), stdout=far.fileno(), stderr=words)
            near.settimeout(timeout_s)
            try:
                yield near
            except (OSError, ValueError) as error:
                near.close()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)
                if process.returncode is not None:
                    raise _explained(process.returncode, _last(words), str(self)) from error
                raise
            finally:
                near.close()
                try:
                    process.wait(_END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def remote_of(host: str) -> Remote | None:
    """None for what is no such address."""
    found = _HOST.fullmatch(host)
    return Remote(found["host"], found["user"] or "", found["port"] or "") if found else None


def _last(words: IO[bytes]) -> str:
    words.seek(0)
    lines = words.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _explained(code: int, said: str, where: str) -> RemoteFailed:
    match code:
        case _ if code == _UNKNOWN_COMMAND:
            return RemoteFailed(f"there is no edgetender there, or not on that user's PATH ({said})")
        case _ if code == _SSH_FAILED:
            return RemoteFailed(f"{said or 'ssh failed'}; see that this works: ssh {where} edgetender status")
        case _ if code == _NOT_ALLOWED:
            return RemoteFailed(said, permission=True)
        case 0:
            return RemoteFailed("it ended without an answer; does that user's shell say something by itself?")
        case _:
            return RemoteFailed(said or f"ssh ended with {code}")
