"""What is good for a while only: where is it kept, and when is it asked for anew? In memory, well before its end."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgetender.errors import CredentialUnusable, Transient
from edgetender.model.image import Credential

if TYPE_CHECKING:
    from edgetender.clock import Clock
    from edgetender.model.access import Access

log = logging.getLogger(__name__)

_EARLY = (
    0.25  # with so much of its life left a token is renewed: the rest bridges an outage of who issues them
)
_MARGIN_S = 60.0  # an engine begins a pull with it only then


@dataclass(frozen=True, slots=True)
class Issued:
    """What a registry takes for the next *life_s* seconds; 0: it is asked for each time."""

    credential: Credential
    life_s: float


class Kept(Protocol):
    """What is written down of a credential. Threads: any."""

    def get(self, name: str) -> Credential:
        """A user and a password. Raises CredentialUnusable, also where it says how to come by them."""
        ...

    def said(self, name: str) -> Credential | Access:
        """Raises CredentialUnusable."""
        ...


class Issuer(Protocol):
    """Asks for what *access* says, once. Threads: any."""

    def __call__(self, access: Access, registry: str, name: str) -> Issued:
        """Raises RegistryDenied, RegistryUnreachable, CredentialUnusable."""
        ...


class ShortLived:
    """Keeps the Credentials port over *kept*. From any thread; of one token one is asked for at a time.

    Nothing is written to a disk. A changed file counts at once.
    """

    def __init__(self, kept: Kept, issue: Issuer, clock: Clock) -> None:
        self._kept, self._issue, self._clock = kept, issue, clock
        self._lock = threading.Lock()
        self._places: dict[tuple[str, str], _Place] = {}

    def get(self, name: str, registry: str = "") -> Credential:
        """Raises CredentialUnusable, RegistryDenied, RegistryUnreachable."""
        if not registry:
            return self._kept.get(name)
        said = self._kept.said(name)
        if isinstance(said, Credential):
            return said
        if not said.serves(registry):
            raise CredentialUnusable(
                f"cannot use the credential {name!r} for {registry}: it is for "
                f"{said.registry or 'registries of Azure'}; if that is meant, say "
                f'"registry": "{registry}" in its file'
            )
        with self._lock:
            place = self._places.setdefault((name, registry), _Place())
        with place.lock:
            return self._fresh(place, said, registry, name)

    def _fresh(self, place: _Place, said: Access, registry: str, name: str) -> Credential:
        now = self._clock.monotonic()
        held = place.held if place.of == said else None
        if held is not None and now < place.until - _EARLY * held.life_s:
            return held.credential
        try:
            issued = self._issue(said, registry, name)
        except Transient as error:
            if held is None or now >= place.until - min(_MARGIN_S, held.life_s / 2):
                raise
            log.warning("token not renewed yet", extra={"fields": {"credential": name, "why": str(error)}})
            return held.credential
        place.of, place.held, place.until = said, issued, now + issued.life_s
        return issued.credential


class _Place:
    """One token, as long as it is good."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.of: Access | None = None
        self.held: Issued | None = None
        self.until = 0.0
