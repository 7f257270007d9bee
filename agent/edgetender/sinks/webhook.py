"""Events to a service of one's own: each posted as JSON, in their order, until it is taken."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from edgetender.model.image import Credential
from edgetender.model.webhook import Answer, Reaction, answer_of
from edgetender.ports import Outbox

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_PAUSE_S, _LONGEST_S = 1.0, 60.0
_LOOK_S = 5.0  # what is old goes, also while nothing happens
_SAID = {
    Reaction.TAKEN: "the webhook takes events again",
    Reaction.LATER: "the webhook takes no events",
    Reaction.REPAIR: "the webhook takes no events until somebody repairs that",
    Reaction.REFUSED: "the webhook refuses an event",
}


class Webhook:
    """`work` is the body of its thread: it ends once *stopping* is set and *wait* returns.

    *queue* is what it has not told yet, *wait*(turn, seconds) returns with the turn once there may be more. What the
    service refuses is dropped and counted. Where an answer but a yes is not of the event itself, all wait, and the
    oldest is offered again after 1 s, at last each minute (`model.webhook.Reaction` says why). At least once: an
    answer that got lost makes an event come twice, by its `id` one can tell.
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
        self._answer: Answer | None = None

    def answer(self) -> Answer | None:
        """The newest; None before there was an event to post. Any thread."""
        return self._answer

    def work(self) -> None:
        turn, pause_s = -1, _PAUSE_S
        while not self._stopping.is_set():
            found = self._queue.head(1)  # looked at before each try: what waits too long is dropped meanwhile
            if not found:
                turn = self._wait(turn, _LOOK_S)
                continue
            answer = self._offer(found[0].body)
            self._say(answer)
            if answer.reaction in (Reaction.TAKEN, Reaction.REFUSED):
                self._queue.sent(found[0], taken=answer.reaction is Reaction.TAKEN)
                pause_s = _PAUSE_S
            else:
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_S)

    def _offer(self, body: bytes) -> Answer:
        try:
            return answer_of(self._post(body))
        except (OSError, http.client.HTTPException) as error:
            return Answer(Reaction.LATER, str(error) or type(error).__name__)

    def _say(self, answer: Answer) -> None:
        """Once that it takes no events, or why else now, and once that it does again."""
        before, self._answer = self._answer, answer
        if (before.reaction if before is not None else Reaction.TAKEN) is answer.reaction:
            return
        fields = {"to": self._url} | ({"why": answer.why} if answer.why else {})
        log.warning(_SAID[answer.reaction], extra={"fields": fields})

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
