"""What is written down of what arrives? All of it but passwords: those go where this device keeps its own."""

from __future__ import annotations

from collections.abc import Callable

from edgetender.clock import Clock
from edgetender.codec import MAX_BYTES
from edgetender.convert.passwords import parted
from edgetender.model.image import Credential
from edgetender.ports import Store


class Inbox:
    """The one way into the store's deliveries. *keep* is given what a deployment of IoT Edge carries for
    registries; None where nobody's word is taken unsigned, and then nothing is kept of it. Threads: any.
    """

    def __init__(self, store: Store, clock: Clock, keep: Callable[[Credential], None] | None) -> None:
        self._store, self._clock, self._keep = store, clock, keep

    def deliver(self, kind: str, source: str, body: bytes) -> int:
        """Return the delivery's number once it is on the disk. Raises CredentialUnusable, DiskFull, StoreDamaged."""
        body, credentials = parted(body)
        if self._keep is not None:
            for credential in credentials:
                self._keep(credential)
        return self._store.deliver(kind, source, body[: MAX_BYTES + 1], self._clock.now())
