"""Was this command carried out already? Its id is on the disk before its effect begins."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgetender import durable
from edgetender.errors import Transient

Answer = tuple[int, Any]
_KEPT = 256
_CONFLICT = 409
_UNKNOWN = {"message": "it was begun before the agent ended; see the history for what became of it"}


class Once:
    """Threads: any; what has an id waits for what came before it with the same."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ended = threading.Condition()  # holds all below, and the file
        self._under_way: set[str] = set()
        self._done: dict[str, Answer | None] | None = None

    def __call__(self, identity: str, work: Callable[[], Answer]) -> Answer:
        """What *work* answers; for an *identity* that was here before, what it answered then.

        Raises OSError when the id cannot be written down, and what *work* raises; then nothing was done if it is
        OSError or Transient, and the same may be asked again. An answer that cannot be written down is given all the
        same; after a restart it is not known any more, but that it was begun.
        """
        if not identity:
            return work()
        with self._ended:
            self._ended.wait_for(lambda: identity not in self._under_way)
            done = self._read()
            if identity in done:
                return done[identity] or (_CONFLICT, _UNKNOWN)
            self._note(identity, None)
            self._under_way.add(identity)
        try:
            answer = work()
        except (OSError, Transient):
            with self._ended:
                self._forget(identity)
            raise
        else:
            with self._ended, suppress(OSError):
                self._note(identity, answer)
            return answer
        finally:
            with self._ended:
                self._under_way.discard(identity)
                self._ended.notify_all()

    def _note(self, identity: str, answer: Answer | None) -> None:
        done = self._read()
        done[identity] = answer
        try:
            self._write(done)
        except OSError:
            if answer is None:
                self._forget(identity)
            raise

    def _forget(self, identity: str) -> None:
        done = self._read()
        done.pop(identity, None)
        with suppress(OSError):  # else it stays begun on the disk, for the next start
            self._write(done)

    def _read(self) -> dict[str, Answer | None]:
        if self._done is None:
            try:
                rows = json.loads(self._file.read_text())
                self._done = {str(key): (int(row[0]), row[1]) if row else None for key, row in rows}
            except (OSError, ValueError, TypeError, LookupError):
                self._done = {}
        return self._done

    def _write(self, done: dict[str, Answer | None]) -> None:
        for old in list(done)[:-_KEPT]:
            del done[old]
        durable.replace(self._file, json.dumps(list(done.items())).encode(), mode=0o600)
