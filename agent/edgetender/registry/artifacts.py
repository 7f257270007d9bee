"""What does an OCI artifact hold that is one small file, such as a manifest? Named by its digest, and no other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgetender.codec import MAX_BYTES
from edgetender.errors import ImageMissing
from edgetender.registry.distribution import Registry
from edgetender.registry.images import RegistrySettings
from edgetender.registry.manifests import Manifest, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgetender.model.image import Credential, ImageReference


def fetch(
    reference: ImageReference, credential: Credential | None, settings: Mapping[str, RegistrySettings]
) -> bytes:
    """The file of the artifact, at most MAX_BYTES; every digest on the way is checked.

    *settings* is by host and port; others get the defaults. Raises RegistryDenied, ImageMissing,
    RegistryUnreachable.
    """
    chosen = settings.get(reference.registry, RegistrySettings())
    with Registry(
        reference.registry, credential=credential, ca_file=chosen.ca_file, plain_http=chosen.plain_http
    ) as registry:
        try:
            found = decode(registry.manifest(reference.repository, reference.digest or ""))
        except ValueError as error:
            raise ImageMissing(f"cannot fetch {reference}: {error}") from error
        if not isinstance(found, Manifest) or len(found.layers) != 1:
            raise ImageMissing(f"cannot fetch {reference}: it is no artifact of one file")
        (file,) = found.layers
        if file.size_bytes > MAX_BYTES:
            raise ImageMissing(
                f"cannot fetch {reference}: its file has {file.size_bytes} bytes; at most {MAX_BYTES}"
            )
        return registry.small_blob(reference.repository, file.digest)
