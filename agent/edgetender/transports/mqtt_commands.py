"""What is asked over MQTT below `cmd/`, and where the answer goes: each once, however often it is delivered."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from edgetender.clock import Clock, parse_rfc3339
from edgetender.codec import decode
from edgetender.errors import LinkDown, ManifestInvalid
from edgetender.ports import Commands
from edgetender.transports.publication import Asked, Publication

log = logging.getLogger(__name__)

_AT_ONCE = 8
_BAD, _LATE, _BUSY = 400, 408, 429
_KEYS = frozenset({"id", "reply_to", "expires_at", "arguments"})


class Asking:
    """The body is `{"id", "reply_to", "expires_at", "arguments"}`, each of them optional; with MQTT 5 response topic
    and correlation data win over the first two. An answer is `{"id", "status", "answer"}`, never retained.

    Threads: `take` returns at once; each command is answered on a thread of its own, _AT_ONCE of them.
    """

    def __init__(self, commands: Commands, clock: Clock, answer: Callable[[Publication], object]) -> None:
        self._commands, self._clock, self._answer = commands, clock, answer
        self._free = threading.Semaphore(_AT_ONCE)

    def take(self, asked: Asked) -> None:
        """Never raises. A retained command is nobody's wish any more, and is left alone."""
        if asked.retained or not asked.name:
            log.warning(
                "command left alone", extra={"fields": {"command": asked.name, "why": "it is retained"}}
            )
            return
        if not self._free.acquire(blocking=False):
            self._reply(asked, {}, _BUSY, {"message": f"{_AT_ONCE} commands are being answered"})
            return
        threading.Thread(target=self._work, args=(asked,), name="mqtt-command", daemon=True).start()

    def _work(self, asked: Asked) -> None:
        try:
            try:
                said = self._read(asked)
            except (ManifestInvalid, ValueError) as error:
                self._reply(asked, {}, _BAD, {"message": str(error)})
                return
            if self._is_late(said):
                self._reply(asked, said, _LATE, {"message": "it had expired when it came"})
                return
            identity = _identity(asked, said)
            status, answer = self._commands(asked.name, said.get("arguments"), "mqtt command", identity)
            self._reply(asked, said, status, answer)
        finally:
            self._free.release()

    @staticmethod
    def _read(asked: Asked) -> dict[str, Any]:
        """Raises ManifestInvalid, ValueError."""
        body = decode(asked.body) if asked.body.strip() else {}
        if not isinstance(body, dict):
            raise ValueError("send a JSON object")  # what people wrote
        beside = asked.reply_to or asked.correlation  # who asks says the rest there
        if "arguments" not in body and (beside or not body.keys() & _KEYS):
            return {"arguments": body or None}
        for key in ("id", "reply_to", "expires_at"):
            if not isinstance(body.get(key, ""), str):
                raise ValueError(f"{key} is text")
        if body.get("expires_at"):
            parse_rfc3339(body["expires_at"])
        return body

    def _is_late(self, said: dict[str, Any]) -> bool:
        return bool(said.get("expires_at")) and parse_rfc3339(said["expires_at"]) <= self._clock.now()

    def _reply(self, asked: Asked, said: dict[str, Any], status: int, answer: Any) -> None:
        topic = asked.reply_to or said.get("reply_to") or ""
        if not topic or set(topic) & set("#+"):
            return
        body = {"id": _identity(asked, said), "status": status, "answer": answer}
        publication = Publication(
            topic,
            json.dumps(body).encode(),
            attributes=(("status", str(status)),),
            correlation=asked.correlation,
        )
        try:
            self._answer(publication)
        except LinkDown as error:
            log.warning("answer lost", extra={"fields": {"command": asked.name, "why": str(error)}})


def _identity(asked: Asked, said: dict[str, Any]) -> str:
    return asked.correlation.hex() or str(said.get("id", ""))
