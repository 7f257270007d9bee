"""How does an image get from a registry into a layout here? Blob by blob, each checked; what is here is not fetched."""

from collections.abc import Callable
from pathlib import Path

from edgetender.model.image import ImageReference
from edgetender.packaging import oci_layout
from edgetender.packaging.writer import writer
from edgetender.registry.distribution import Registry
from edgetender.registry.manifests import Manifest, decode

Say = Callable[[str], None]


def pull(registry: Registry, reference: ImageReference, platform: str, blobs: Path, say: Say) -> str:
    """Bring the image for *platform* into *blobs*; return its manifest's digest.

    Raises RegistryDenied, ImageMissing, RegistryUnreachable; what was whole by then stays for the next try.
    """
    _, architecture, *variant = platform.split("/")
    facts = registry.resolve(reference, architecture, variant[0] if variant else "")
    body = registry.manifest(reference.repository, facts.digest)
    manifest = decode(body)
    if not isinstance(manifest, Manifest):
        raise TypeError("resolve() returns images, never indexes")
    blobs.mkdir(parents=True, exist_ok=True)
    wanted = {one.digest: one.size_bytes for one in (*manifest.layers, manifest.config)}
    missing = {
        digest: size for digest, size in wanted.items() if not oci_layout.blob(blobs, digest).is_file()
    }
    if missing:
        say(
            f"pulling {reference}: {len(missing)} of {len(wanted)} blobs, {sum(missing.values()) / 1e6:.1f} MB"
        )
    for digest in missing:
        part = blobs / f".part-{writer()}"
        try:
            with part.open("wb") as out:
                registry.blob(reference.repository, digest, out)
            part.replace(oci_layout.blob(blobs, digest))
        finally:
            part.unlink(missing_ok=True)
    return oci_layout.put(blobs, body)
