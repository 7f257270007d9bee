"""A transport without a wire: the test is the far side."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

from edgetender.clock import Clock, SystemClock
from edgetender.errors import LinkDown
from edgetender.model.upstream import Link, Message
from edgetender.ports import Commands


class FakeTransport:
    """Up once opened. `deliver` is the cloud's publish: what is not accepted comes again with `come_up`.

    `sent` is what the far side has, oldest first. While `mute`, the far side takes nothing and `send` blocks.
    """

    def __init__(self, *, clock: Clock | None = None, up: bool = True) -> None:
        self._clock = clock or SystemClock()
        self._state = threading.Condition()
        self._accept: Callable[[bytes], bool] = lambda _body: False
        self._wake: Callable[[], None] = lambda: None
        self._reachable, self._closed = up, False
        self._link = Link("fake:", connected=False, since=self._clock.now())
        self.unacknowledged: list[bytes] = []
        self.sent: list[Message] = []
        self.mute = False

    def answer(self, commands: Commands) -> None:
        self.commands = commands

    def open(self, accept: Callable[[bytes], bool], wake: Callable[[], None]) -> None:
        self._accept, self._wake = accept, wake
        if self._reachable:
            self.come_up()

    def send(self, message: Message, *, timeout_s: float) -> None:
        with self._state:
            if self.mute and self._link.connected:
                self._state.wait_for(lambda: not self.mute or not self._link.connected, timeout_s)
            if self.mute or not self._link.connected:
                raise LinkDown(f"cannot send {message.topic}: the fake is down")
            self.sent.append(message)

    def link(self) -> Link:
        return self._link

    def close(self) -> None:
        self._closed = True
        self._set(connected=False, detail="closed")

    def deliver(self, body: bytes) -> bool:
        """Publish *body* downwards; return whether the device acknowledged it."""
        self.unacknowledged.append(body)
        self._redeliver()
        return not self.unacknowledged

    def come_up(self) -> None:
        self._set(connected=True, detail="")
        self._redeliver()

    def go_down(self, why: str = "the network is gone") -> None:
        self._set(connected=False, detail=why)

    def bodies(self, topic: str) -> list[bytes]:
        """What the far side got on *topic*."""
        return [message.body for message in self.sent if message.topic == topic]

    def _redeliver(self) -> None:
        with contextlib.suppress(Exception):  # as the real ones: what broke is not acknowledged, no more
            while self.unacknowledged and self._link.connected and self._accept(self.unacknowledged[0]):
                self.unacknowledged.pop(0)

    def _set(self, *, connected: bool, detail: str) -> None:
        with self._state:
            if connected and self._closed:
                return
            changed = connected is not self._link.connected
            since = self._clock.now() if changed else self._link.since
            self._link = replace(self._link, connected=connected, since=since, detail=detail)
            self._state.notify_all()
        if changed:
            self._wake()
