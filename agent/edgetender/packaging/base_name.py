"""Which image does a base's name mean, where its registry is named apart? A path means none."""

from __future__ import annotations

from edgetender.model.image import HUB, parse_reference
from edgetender.packaging.image_store import registry_of

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz")
_HUBS = {"index.docker.io", "registry-1.docker.io", "index.docker.io/v1"}


def is_path(text: str) -> bool:
    """Whether *text* is written as no image's name is."""
    return text.startswith((".", "/", "~", "oci:")) or text.endswith(_ARCHIVES)


def host_of(address: str) -> str:
    """Return the host and port of a registry's address as people copy it: with https://, with a slash."""
    host = address.partition("://")[2] or address
    host = host.rstrip("/")
    return HUB if host in _HUBS else host


def within(image: str, host: str) -> str:
    """Return the reference of *image* at the registry *host*; what names its own place stays as it is."""
    if is_path(image) or image.startswith("from-run:") or registry_of(image) is not None:
        return image
    return f"{host}/{image}"


def why_not_within(image: str, host: str) -> str | None:
    """Say why *image* cannot come from the registry *host*; None: it can, or is no image's name."""
    if is_path(image) or image.startswith("from-run:"):
        return None
    if registry_of(f"{host}/x") is None:
        return f"{host!r} is no registry's host; write it like registry.example or registry:5000"
    try:
        found = parse_reference(within(image, host)).registry
    except ValueError:
        return None  # said where the image is looked for
    if found != host:
        return f"is {host}, but the base image {image} is of {found}; name the registry of the image"
    return None
