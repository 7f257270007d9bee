"""The Images port without a network: many registries, each with its users and what was pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgetender.errors import ImageMissing, RegistryDenied, RegistryUnreachable

if TYPE_CHECKING:
    from edgetender.model.image import Credential, ImageFacts, ImageReference


class FakeImages:
    """Keeps the Images port. *users* by registry; a registry without users lets everyone in.

    `offline` holds the registries that do not answer now; `asked` every reference that was resolved.
    """

    def __init__(self, users: dict[str, dict[str, str]] | None = None) -> None:
        self.users = dict(users or {})
        self.offline: set[str] = set()
        self.retry_after_s: float | None = None
        self.asked: list[ImageReference] = []
        self._held: dict[tuple[str, str], tuple[ImageFacts, ...]] = {}

    def hold(self, reference: ImageReference, *images: ImageFacts) -> None:
        """Push: the tag, the index's digest and each image's own digest lead there."""
        if reference.tag:
            self._held[reference.name, reference.tag] = images
        for image in images:
            self._held[reference.name, image.index_digest] = images
        for image in images:
            if image.digest != image.index_digest:
                self._held[reference.name, image.digest] = (image,)

    def resolve(
        self,
        reference: ImageReference,
        *,
        credential: Credential | None,
        architecture: str,
        variant: str = "",
    ) -> ImageFacts:
        self.asked.append(reference)
        if reference.registry in self.offline:
            raise RegistryUnreachable(
                f"cannot resolve {reference}: connection refused", retry_after_s=self.retry_after_s
            )
        users = self.users.get(reference.registry, {})
        if users and credential is None:
            raise RegistryDenied(f"cannot resolve {reference}: 401 and no credential was given; name one")
        if users and credential and users.get(credential.username) != credential.password.reveal():
            raise RegistryDenied(f"cannot resolve {reference}: 401; is the password right?")
        images = self._held.get((reference.name, reference.digest or reference.tag or "latest"), ())
        for image in images:
            if image.architecture == architecture and image.variant in {variant, ""}:
                return image
        why = "it is for other platforms" if images else "404; was it pushed?"
        raise ImageMissing(f"cannot resolve {reference}: {why}")
