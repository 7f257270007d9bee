"""Events to a service of one's own: each posted as JSON, in their order, until it is taken."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from edgetender.model.image import Credential
from edgetender.ports import Outbox

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_PAUSE_S, _LONGEST_S = 1.0, 60.0
_LOOK_S = 5.0  # what is old goes, also while nothing happens
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Webhook:
    """`work` is the body of its thread: it ends once *stopping* is set and *wait* returns.

    *queue* is what it has not told yet, *wait*(turn, seconds) returns with the turn once there may be more. What the
    service refuses is not offered again. At least once: an answer that got lost makes an event come twice, by its
    `id` one can tell.
    """

    def __init__(
        self,
        url: str,
        queue: Outbox,
        wait: Callable[[int, float], int],
        stopping: threading.Event,
        *,
        ca: Path | None = None,
        credential: Credential | None = None,
    ) -> None:
        self._url, self._queue, self._wait, self._stopping = url, queue, wait, stopping
        self._tls = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
        self._headers = {"Content-Type": "application/json", "User-Agent": "edgetender"}
        if credential is not None:
            self._headers["Authorization"] = credential.basic().reveal()
        self._well = True

    def work(self) -> None:
        turn = -1
        while not self._stopping.is_set():
            for message in self._queue.head():
                if not self._tell(message.body):
                    return
                self._queue.sent(message)
            turn = self._wait(turn, _LOOK_S)

    def _tell(self, body: bytes) -> bool:
        """Whether it was taken or refused; else it is time to end."""
        pause_s = _PAUSE_S
        while True:
            try:
                status = self._post(body)
                why = None if status < HTTPStatus.MULTIPLE_CHOICES else f"it answers {status}"
                refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
                again = why is not None and (not refused or status in _LATER)
            except (OSError, http.client.HTTPException) as error:
                why, again = str(error) or type(error).__name__, True
            self._say(why)
            if not again:
                return True
            if self._stopping.wait(pause_s):
                return False
            pause_s = min(pause_s * 2, _LONGEST_S)

    def _say(self, why: str | None) -> None:
        """Once that it takes no events, and once that it does again."""
        if (why is None) == self._well:
            return
        self._well = why is None
        if why is None:
            log.warning("the webhook takes events again", extra={"fields": {"to": self._url}})
        else:
            log.warning("the webhook takes no events", extra={"fields": {"to": self._url, "why": why}})

    def _post(self, body: bytes) -> int:
        parts = urlsplit(self._url)
        if self._tls is None:
            to = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)
        else:
            to = http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT_S, context=self._tls)
        try:
            to.request("POST", parts.path or "/", body, self._headers)
            return to.getresponse().status
        finally:
            to.close()
