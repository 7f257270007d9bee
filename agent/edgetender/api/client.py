"""The daemon's API as the command line calls it; light to import, because every command begins here."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from edgetender.api import wire
from edgetender.errors import AgentError, Problem

_TIMEOUT_S = 15.0  # the daemon bounds its own calls more tightly
_START = "start it: systemctl start edgetender, or edgetender daemon --config FILE; edgetender check says why it ends"
_JOIN = "join the agent's group: sudo usermod -aG edgetender $USER, then log in again"


class Unreachable(AgentError):
    """No daemon answers."""

    code = "agent.unreachable"


class NotAllowed(AgentError):
    """The socket, or the daemon, does not take this user's word."""

    code = "agent.permission"


class Answered(AgentError):
    """The daemon answered with an error: its HTTP *status*, its code, and every problem it named."""

    def __init__(self, status: int, code: str, message: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code  # type: ignore[misc]  # the far side's reason
        self.problems = problems


class Client:
    """Talks to the daemon at *host*, `unix:///run/edgetender/admin.sock` or `ssh://line3-cam7`.

    Every method raises Unreachable, NotAllowed or Answered. *heard* is told of each request and its answer.
    """

    def __init__(self, host: str, heard: Callable[[str], None] | None = None) -> None:
        self.path = host.removeprefix("unix://")
        self._heard = heard or (lambda _: None)
        self._connected: Callable[[float | None], AbstractContextManager[socket.socket]]
        if host.startswith("unix:///"):
            self._connected = partial(wire.connected, self.path)
            return
        from edgetender.api.remote import remote_of

        if (remote := remote_of(host)) is None:
            understood = "unix:///path and ssh://[user@]host[:port] are understood here"
            raise Unreachable(f"cannot reach {host!r}: only {understood}")
        self._connected = remote.connected

    def get(self, target: str) -> bytes:
        """The body, unchanged."""
        return self._ask("GET", target)

    def send(self, target: str, body: bytes = b"") -> bytes:
        """The body of the answer to a POST, unchanged."""
        return self._ask("POST", target, body)

    def post(self, target: str, body: bytes = b"") -> Any:
        return json.loads(self.send(target, body))

    def document(self, target: str) -> Any:
        return json.loads(self.get(target))

    def status(self) -> Any:
        return self.document("/v1/status")

    def lines(self, target: str) -> Iterator[str]:
        """Lines as they come, for as long as they come."""
        with self._answer("GET", target, b"", None) as answer:
            for line in answer.body:
                yield line.decode(errors="replace").rstrip("\r\n")

    def _ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        with self._answer(method, target, body, _TIMEOUT_S) as answer:
            return answer.body.read()

    @contextmanager
    def _answer(
        self, method: str, target: str, body: bytes, timeout_s: float | None
    ) -> Iterator[wire.Answer]:
        try:
            with (
                self._connected(timeout_s) as connection,
                wire.exchange(connection, method, target, body) as answer,
            ):
                self._heard(f"{method} {target} at {self.path}: {answer.status}")
                if answer.status >= 400:  # noqa: PLR2004  HTTP's errors begin there
                    raise _error(answer.status, answer.body.read())
                yield answer
        except OSError as error:
            raise _explained(error, self.path) from error

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """The bare connection, for who carries somebody else's request; silence is not bounded."""
        try:
            with self._connected(None) as connection:
                yield connection
        except OSError as error:
            raise _explained(error, self.path) from error


def _explained(error: OSError, path: str) -> AgentError:
    if (allowed := getattr(error, "permission", None)) is not None:  # of api.remote, which is not always here
        return (NotAllowed if allowed else Unreachable)(f"cannot reach the agent at {path}: {error}")
    match error:
        case PermissionError():
            return NotAllowed(f"cannot open {path}: {error.strerror}; {_JOIN}")
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return Unreachable(f"cannot reach the agent at {path}: {error.strerror}; {_START}")
        case TimeoutError():
            return Unreachable(f"cannot get an answer at {path}: it is silent; see journalctl -u edgetender")
        case _:
            return Unreachable(f"cannot get an answer at {path}: {error.strerror or error}")


def _error(status: int, body: bytes) -> AgentError:
    try:
        told = json.loads(body)["error"]
        problems = tuple(Problem(one["path"], one["code"], one["message"]) for one in told["problems"])
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        text = body[:200].decode(errors="replace")
        return Answered(status, "api.error", f"the agent answered {status}: {text}", ())
    if status == 403:  # noqa: PLR2004
        return NotAllowed(f"{message}; {_JOIN}")
    return Answered(status, code, message, problems)
