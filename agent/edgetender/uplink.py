"""Sends what waits in the outbox, in order, while the link is up."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import datetime

from edgetender.clock import Clock, SystemClock
from edgetender.decide.backoff import delay_s
from edgetender.decide.batching import Batch, batches
from edgetender.errors import LinkDown
from edgetender.model.pacing import Bucket, take
from edgetender.model.upstream import Link, Message
from edgetender.ports import Outbox, Transport

log = logging.getLogger(__name__)

_SEND_TIMEOUT_S = 20.0
_LOOK_AGAIN_S = 5.0
_SOME, _MOST = 20, 64  # messages at a time; more where many make one


class Uplink:
    """`work` is the body of the uplink thread; `wake` says that something waits or the link changed."""

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        stopping: threading.Event,
        *,
        per_second: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        """*per_second* bounds messages, so that a fleet that comes back drowns nobody; 0 for no bound."""
        self._transport, self._outbox, self._stopping = transport, outbox, stopping
        self._per_second, self._clock = per_second, clock or SystemClock()
        self._bucket: Bucket | None = None
        self._news = threading.Event()
        self._session: datetime | None = None
        self._here_since: dict[str, float] = {}
        self._round_trip: tuple[datetime | None, float] | None = None  # of which session, seconds

    def wake(self) -> None:
        self._news.set()

    def link(self) -> Link:
        """The transport's link, with how long its newest message took to be acknowledged. From any thread."""
        link, last = self._transport.link(), self._round_trip
        known = last is not None and link.connected and last[0] == link.since
        return replace(link, round_trip_s=last[1] if last is not None and known else None)

    def work(self) -> None:
        failures = 0
        while True:
            self._news.clear()  # before the look: an end that comes now is not slept through
            if self._stopping.is_set():
                return
            self._outbox.flush_due()
            try:
                more = self._send_some()
                failures = 0
            except LinkDown as error:
                failures += 1
                more = False
                log.debug("upstream send failed", extra={"fields": {"why": str(error)}})
            if not more:
                pause = delay_s("uplink", failures) if failures else _LOOK_AGAIN_S
                self._news.wait(min(pause, 30.0))

    def _send_some(self) -> bool:
        """Send a handful; return whether there may be more to send now. Raises LinkDown."""
        link = self._transport.link()
        if not link.connected:
            return False
        if link.since != self._session:
            self._session = link.since
            self._outbox.resend_states()
        went = False
        for batch in batches(self._outbox.head(_MOST if link.batching else _SOME), link.batching):
            if link.batching is not None and self._waits(batch, link.batching.wait_s):
                continue
            message = batch.joined()
            if self._stopping.is_set() or not self._paced(message):
                return False
            before = self._clock.monotonic()
            self._transport.send(message, timeout_s=_SEND_TIMEOUT_S)
            self._round_trip = link.since, self._clock.monotonic() - before
            for message in batch.messages:
                self._outbox.sent(message)
            went = True
        return went

    def _waits(self, batch: Batch, wait_s: float) -> bool:
        """Whether *batch* may grow yet; since when there is one is remembered by topic."""
        topic, now = batch.messages[0].topic, self._clock.monotonic()
        if not batch.complete and now - self._here_since.setdefault(topic, now) < wait_s:
            return True
        self._here_since.pop(topic, None)
        return False

    def _paced(self, message: Message) -> bool:
        """Wait for this message's turn; False when the daemon stops meanwhile. State waits for nobody."""
        if message.retain:
            return True
        self._bucket, wait_s = take(self._bucket, self._clock.monotonic(), self._per_second)
        return not (wait_s and self._stopping.wait(wait_s))
