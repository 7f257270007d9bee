"""How is one request put to the engine, and its answer read? JSON both ways, and a connection for each.

What may never end (pulls, events, logs) is read from a `Stream` itself; this is for all that does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlencode

from edgetender.engine.stream import Stream, message_in
from edgetender.errors import EngineDown

_JSON = {"Content-Type": "application/json"}
NOT_FOUND, CONFLICT = 404, 409


class Refused(Exception):
    """The engine said no: HTTP's *status*, and its *words*. `Connection.asking` makes one of our errors of it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True, slots=True)
class Client:
    """Asks the engine at *address* by the API's *version*; *what* completes `cannot …`. Threads: any.

    Paths are those of the Engine API without the version; what a query says as JSON (filters) is a mapping here.
    An answer has to be whole within *timeout_s*, and *wait_s* more where the engine itself is told to wait.
    Every method raises EngineDown, and Refused.
    """

    address: str
    version: str
    what: str
    timeout_s: float

    def get(self, path: str, **query: object) -> Any:
        """The document that answers."""
        return self._document("GET", path, query)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, wait_s: float = 0, **query: object
    ) -> Any:
        """The document that answers; None where there is none."""
        return self._document("POST", path, query, b"" if body is None else json.dumps(body).encode(), wait_s)

    def send(self, path: str, body: Mapping[str, Any] | BinaryIO, *, wait_s: float = 0) -> bytes:
        """What answers, as it is. A file is sent from where it stands."""
        sent = json.dumps(body).encode() if isinstance(body, Mapping) else body
        return self._asked("POST", path, {}, sent, wait_s)

    def delete(self, path: str, **query: object) -> None:
        self._asked("DELETE", path, query)

    def inspected(self, container: str) -> Mapping[str, Any] | None:
        """What the engine knows of *container*, by its id or name; None where there is none."""
        try:
            found: Mapping[str, Any] = self.get(f"/containers/{container}/json")
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise
            return None
        return found

    def remove(self, container: str) -> None:
        """With its anonymous volumes, not with named ones, whether it runs or not."""
        self.delete(f"/containers/{container}", v=1, force=1)

    def stop(self, container: str, grace_s: int) -> None:
        self.post(f"/containers/{container}/stop", t=grace_s, wait_s=grace_s)

    def _document(
        self, method: str, path: str, query: Mapping[str, object], body: bytes = b"", wait_s: float = 0
    ) -> Any:
        answer = self._asked(method, path, query, body, wait_s)
        try:
            return json.loads(answer) if answer.strip() else None
        except ValueError as error:
            raise EngineDown(
                f"cannot {self.what}: the answer is no JSON; is an engine behind {self.address}?"
            ) from error

    def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: bytes | BinaryIO = b"",
        wait_s: float = 0,
    ) -> bytes:
        told = {
            name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in query.items()
        }
        target = f"/v{self.version}{path}" + (f"?{urlencode(told)}" if told else "")
        with Stream(
            self.address,
            method,
            target,
            what=self.what,
            headers=_JSON if isinstance(body, bytes) and body else {},
            body=body,
            timeout_s=self.timeout_s,
        ) as stream:
            answer = stream.whole(self.timeout_s + wait_s)
            if stream.refused():
                raise Refused(stream.status or 0, message_in(answer))
        return answer
