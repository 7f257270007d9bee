"""Which registry answers for a reference? The Images port over as many registries as references name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgetender.registry.distribution import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgetender.model.image import Credential, ImageFacts, ImageReference


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How one registry is reached: an authority of its own (PEM), or without TLS where that is meant."""

    ca_file: Path | None = None
    plain_http: bool = False


class RegistryImages:
    """Keeps the Images port. *settings* is by host and port as references name them; others get the defaults.

    From any thread: each call has a connection of its own, so no password outlives its use.
    """

    def __init__(self, settings: Mapping[str, RegistrySettings], *, timeout_s: float = 10) -> None:
        self._settings, self._timeout_s = dict(settings), timeout_s

    def resolve(
        self,
        reference: ImageReference,
        *,
        credential: Credential | None,
        architecture: str,
        variant: str = "",
    ) -> ImageFacts:
        """Ask once. Raises RegistryDenied, ImageMissing, RegistryUnreachable."""
        settings = self._settings.get(reference.registry, RegistrySettings())
        with Registry(
            reference.registry,
            credential=credential,
            ca_file=settings.ca_file,
            plain_http=settings.plain_http,
            timeout_s=self._timeout_s,
        ) as registry:
            return registry.resolve(reference, architecture, variant)
