"""How does an image get from a registry into a layout here? Blob by blob, each checked; what is here is not fetched."""

import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edgetender.model.image import ImageReference
from edgetender.model.units import size_text
from edgetender.packaging import oci_layout, traces
from edgetender.packaging.logins import Login
from edgetender.packaging.transfer import Reached, kept_up
from edgetender.packaging.writer import writer
from edgetender.registry.blob_upload import Progress
from edgetender.registry.distribution import Registry
from edgetender.registry.manifests import Manifest, decode

Say = Callable[[str], None]


def pull(
    login: Login,
    reference: ImageReference,
    platform: str,
    blobs: Path,
    say: Say,
    *,
    progress: Progress | None = None,
    wait: Callable[[float], object] | None = None,
) -> str:
    """Bring the image for *platform* into *blobs*; return its manifest's digest.

    A broken download is gone on with, now and in the next call. Raises RegistryDenied, ImageMissing,
    RegistryUnreachable; what had come by then stays for the next try.
    """
    with login.open() as registry:
        body, wanted = _wanted(registry, reference, platform)
        blobs.mkdir(parents=True, exist_ok=True)
        missing = {
            digest: size for digest, size in wanted.items() if not oci_layout.blob(blobs, digest).is_file()
        }
        if missing:
            of = f"{len(missing)} of {len(wanted)} blobs"
            say(f"pulling {reference}: {of}, {size_text(sum(missing.values()))}")
        reached = Reached(progress)
        for digest, size in missing.items():
            tell = partial(reached, digest, whole=size)
            fetch = partial(_fetch, registry, reference.repository, digest, blobs, tell)
            kept_up(fetch, reached, say, wait)
    known = traces.of_file(login.traces)
    known.held |= dict.fromkeys(wanted, reference.repository)
    known.keep()
    return oci_layout.put(blobs, body)


def _wanted(registry: Registry, reference: ImageReference, platform: str) -> tuple[bytes, dict[str, int]]:
    """The image's manifest, and its blobs with their sizes."""
    _, architecture, *variant = platform.split("/")
    facts = registry.resolve(reference, architecture, variant[0] if variant else "")
    body = registry.manifest(reference.repository, facts.digest)
    manifest = decode(body)
    if not isinstance(manifest, Manifest):
        raise TypeError("resolve() returns images, never indexes")
    return body, {one.digest: one.size_bytes for one in (*manifest.layers, manifest.config)}


def _fetch(
    registry: Registry, repository: str, digest: str, blobs: Path, tell: Callable[[int], None]
) -> None:
    """What has come waits under the blob's name; who goes on with it renames it, so nobody else does."""
    begun, part = blobs / f".begun-{oci_layout.blob(blobs, digest).name}", blobs / f".part-{writer()}"
    with contextlib.suppress(FileNotFoundError):
        begun.rename(part)
    try:
        with part.open("a+b") as into:
            registry.blob(repository, digest, into, tell)
            into.flush()
            os.fsync(into.fileno())  # what has the blob's name is taken for whole, after a power cut too
        part.replace(oci_layout.blob(blobs, digest))
    finally:
        if part.is_file():
            part.replace(begun)
