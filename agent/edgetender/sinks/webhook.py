"""Events to a service of one's own: each posted as JSON, in their order, until it is taken."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgetender.codec import canonical
from edgetender.model.image import Credential

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_PAUSE_S, _LONGEST_S = 1.0, 60.0
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Webhook:
    """`work` is the body of its thread: it ends with *events*, or once *stopping* is set.

    While the service is away its events wait in *events*, in memory: what must survive goes upstream. What it refuses
    is not offered again. At least once: an answer that got lost makes an event come twice, by its `id` one can tell.
    """

    def __init__(
        self,
        url: str,
        events: Iterable[Mapping[str, Any]],
        stopping: threading.Event,
        *,
        ca: Path | None = None,
        credential: Credential | None = None,
    ) -> None:
        self._url, self._events, self._stopping = url, events, stopping
        self._tls = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
        self._headers = {"Content-Type": "application/json", "User-Agent": "edgetender"}
        if credential is not None:
            self._headers["Authorization"] = credential.basic().reveal()
        self._well = True

    def work(self) -> None:
        for event in self._events:
            self._tell(canonical(event))
            if self._stopping.is_set():
                return

    def _tell(self, body: bytes) -> None:
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
            if not again or self._stopping.wait(pause_s):
                return
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
