"""What does a manifest or an index say, and which image of an index fits a platform? Pure; trusts nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from edgetender.model.image import ImageFacts, Layer

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
# what runs on a device that asks, best first (containerd/platforms, compare.go)
_RUNS: dict[tuple[str, str], tuple[str, ...]] = {
    ("arm", "v7"): ("v7", "", "v6", "v5"),
    ("arm", "v6"): ("v6", "v5"),
    ("arm", "v5"): ("v5",),
    ("arm", ""): ("v7", "", "v6", "v5"),
    ("arm64", ""): ("v8", ""),
    ("arm64", "v8"): ("v8", ""),
    ("amd64", ""): ("", "v1"),
    ("amd64", "v1"): ("", "v1"),
    ("amd64", "v2"): ("v2", "", "v1"),
    ("amd64", "v3"): ("v3", "v2", "", "v1"),
    ("amd64", "v4"): ("v4", "v3", "v2", "", "v1"),
    **{
        ("arm64", f"v8.{minor}"): (*(f"v8.{each}" for each in range(minor, 0, -1)), "v8", "")
        for minor in range(1, 10)
    },
    ("arm64", "v9"): ("v9", *(f"v8.{each}" for each in range(5, 0, -1)), "v8", ""),
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to a blob or manifest; the platform is empty where none is named."""

    digest: str
    size_bytes: int
    media_type: str
    os: str = ""
    architecture: str = ""
    variant: str = ""

    @property
    def platform(self) -> str:
        return "/".join(word for word in (self.os, self.architecture, self.variant) if word)


@dataclass(frozen=True, slots=True)
class Index:
    """Several images under one name."""

    children: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


def decode(body: bytes) -> Index | Manifest:
    """Return what *body* says. Raises ValueError that says what is wrong with it."""
    document = _object(body)
    kind = document.get("mediaType", "")
    if kind and kind not in ACCEPTED:
        raise ValueError(f"it is of type {str(kind)[:100]!r}, not an image's manifest or index")
    if "manifests" in document:
        return Index(tuple(_descriptor(child) for child in _list(document, "manifests")))
    if "config" in document:
        return Manifest(
            _descriptor(document["config"]), tuple(_descriptor(layer) for layer in _list(document, "layers"))
        )
    raise ValueError("it is neither an image's manifest nor an index")


def choose(index: Index, architecture: str, variant: str) -> Descriptor | None:
    """Return the child for Linux on this architecture, the best variant it can run; None if there is none."""
    fitting = [
        child for child in index.children if child.os in {"linux", ""} and child.architecture == architecture
    ]
    for wanted in variants(architecture, variant):
        for child in fitting:
            if child.variant == wanted:
                return child
    return None


def variants(architecture: str, variant: str) -> tuple[str, ...]:
    """The variants a device of this architecture and variant runs, best first."""
    return _RUNS.get((architecture, variant)) or tuple(dict.fromkeys((variant, "")))


def facts(manifest: Manifest, config: bytes, *, digest: str, index_digest: str) -> ImageFacts:
    """Put together what is known of an image. Raises ValueError for a configuration that is none."""
    document = _object(config)
    inner = document.get("config") or {}
    if not isinstance(inner, dict):
        raise ValueError("its configuration is malformed")
    env, labels = inner.get("Env") or [], inner.get("Labels") or {}
    if not isinstance(env, list) or not isinstance(labels, dict):
        raise ValueError("its environment or its labels are malformed")
    return ImageFacts(
        digest=digest,
        index_digest=index_digest,
        architecture=str(document.get("architecture") or ""),
        variant=str(document.get("variant") or ""),
        os=str(document.get("os") or "linux"),
        download_bytes=manifest.config.size_bytes + sum(layer.size_bytes for layer in manifest.layers),
        layers=tuple(Layer(layer.digest, layer.size_bytes) for layer in manifest.layers),
        env=tuple(str(line) for line in env),
        labels=tuple(sorted((str(name), str(value)) for name, value in labels.items())),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def _list(document: dict[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    if not isinstance(found, list):
        raise ValueError(f"its {key} are no list")
    return found


def _descriptor(found: object) -> Descriptor:
    """The digest goes into paths and URLs: exactly sha256 and 64 hex digits, or ValueError."""
    if not isinstance(found, dict):
        raise ValueError("a descriptor is no object")
    digest, size = found.get("digest"), found.get("size")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError("a descriptor's digest is not sha256 and 64 hex digits")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError("a descriptor's size is no number of bytes")
    platform = found.get("platform")
    named = platform if isinstance(platform, dict) else {}
    words = [str(named.get(key) or "") for key in ("os", "architecture", "variant")]
    return Descriptor(digest, size, str(found.get("mediaType") or ""), *words)
