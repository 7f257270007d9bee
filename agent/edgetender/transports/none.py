"""No upstream at all: manifests come by `edgetender apply`, reports stay on the device."""

from __future__ import annotations

from collections.abc import Callable

from edgetender.errors import LinkDown
from edgetender.model.upstream import Link, Message
from edgetender.ports import Commands


class NoTransport:
    """Never connected."""

    def answer(self, commands: Commands) -> None:
        """Nobody asks."""

    def open(self, accept: Callable[[bytes], bool], wake: Callable[[], None]) -> None:
        """Nothing will arrive."""

    def send(self, message: Message, *, timeout_s: float) -> None:  # noqa: ARG002
        raise LinkDown(f"cannot send {message.topic}: no transport is configured")

    def link(self) -> Link:
        return Link("none", connected=False, detail="no transport is configured")

    def close(self) -> None:
        """Nothing is open."""
