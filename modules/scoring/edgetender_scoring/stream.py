"""How does a record reach the cloud? Over the socket that edgetender's agent shows the container, at least once."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("edgetender_scoring")

_TIMEOUT_S = 15.0
_PAUSE_S, _LONGEST_S = 1.0, 60.0
_ACCEPTED = b"202"
_LATER = frozenset({b"", b"429", b"500", b"503"})  # no answer at all, too fast, a full disk


def encoded(record: Mapping[str, Any]) -> bytes:
    """A line of JSON, text as it is; but half a surrogate pair, which JSON can ask for and no text can hold."""
    try:
        return json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(record).encode()


class Stream:
    """Posts each record to the stream *name* at *path*, until it is taken. One thread but for `end`."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._ending = threading.Event()

    def append(self, record: Mapping[str, Any]) -> bool:
        """Send *record* and return whether the agent has it; wait as long as it takes, but not past `end`."""
        body, pause_s = encoded(record), _PAUSE_S
        while True:
            status, retry_s = self._post(body)
            if status == _ACCEPTED:
                return True
            if status not in _LATER:
                log.warning("the agent takes no record of %s: %s", self._name, status.decode("latin-1"))
                return False
            if self._ending.wait(retry_s or pause_s):
                return False
            pause_s = min(pause_s * 2, _LONGEST_S)

    def end(self) -> None:
        """Let `append` try once and no more. Any thread."""
        self._ending.set()

    def close(self) -> None:
        """Each record had a connection of its own."""

    def _post(self, body: bytes) -> tuple[bytes, float]:
        """The answer's status, empty for none, and how long it asks to wait."""
        head = (
            f"POST /v1/messages/{self._name} HTTP/1.1\r\nHost: agent\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = b""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(_TIMEOUT_S)
                link.connect(str(self._path))
                link.sendall(head.encode() + body)
                while more := link.recv(4096):
                    answer += more
        except OSError:
            pass  # what was answered before it broke counts
        first, *fields = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
        retry = next(
            (one.partition(b":")[2] for one in fields if one.lower().startswith(b"retry-after:")), b""
        )
        return first[9:12], float(retry) if retry.strip().isdigit() else 0.0
