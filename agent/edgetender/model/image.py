"""How an image is named, and what a registry says of it before a byte is pulled."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from edgetender.secret import Secret

# The grammar of distribution's reference package (github.com/distribution/reference, regexp.go).
_DOMAIN = (
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
    r"|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<registry>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]+))?"
)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_REFERENCE, _MAX_NAME = 512, 255
HUB = "docker.io"
# A compressed layer and what it unpacks to lie on the disk together for a while (durability.md §7).
_UNPACK_FACTOR = 2.2
_RESERVE_BYTES = 512 * 1024 * 1024
# Docker's credential helpers: the password is an identity token, a refresh token in OAuth2's words
TOKEN_USER = "<token>"  # noqa: S105
NEAR = "edgetender-"  # begins the repository of what the engine fetches from this machine, for a moment


@dataclass(frozen=True, slots=True)
class ImageReference:
    """`registry/repository[:tag][@digest]`, with what people leave out filled in as Docker does."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag and not self.digest else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """Registry and repository; the part a tag or a digest is appended to."""
        return f"{self.registry}/{self.repository}"

    def pinned(self, digest: str) -> ImageReference:
        """The same repository by *digest*."""
        return ImageReference(self.registry, self.repository, None, digest)


def parse_reference(text: str) -> ImageReference:
    """Return what *text* names. Raises ValueError that says what is wrong with it."""
    if len(text) > _MAX_REFERENCE:
        raise ValueError("an image reference longer than 512 characters")
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no image reference{_hint(text)}")
    registry, path = match["registry"], match["path"]
    if registry is not None and not _is_domain(registry):
        registry, path = None, f"{registry}/{path}"
        if not re.fullmatch(rf"{_COMPONENT}(?:/{_COMPONENT})*", path):
            raise ValueError(f"{text!r} is no image reference: a repository is written in lower case")
    if len(path) > _MAX_NAME:
        raise ValueError("a repository name longer than 255 characters")
    if match["digest"] and not _SHA256.fullmatch(match["digest"]):
        raise ValueError(f"{text!r} has a digest that is not sha256 and 64 hex digits")
    registry = registry or HUB
    if registry == HUB and "/" not in path:
        path = f"library/{path}"
    tag = match["tag"] or (None if match["digest"] else "latest")
    return ImageReference(registry, path, tag, match["digest"])


def _is_domain(first: str) -> bool:
    """Docker's rule: the first component is a registry if it has a dot or a colon, or is localhost."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _hint(text: str) -> str:
    if not text.strip():
        return ": it is empty"
    bare = text.split("@", 1)[0]
    if bare.endswith("/") or bare.startswith((":", "/")) or "/:" in bare:
        return ": it has no name; write it like registry.example/team/model:1.0"
    if "://" in text:
        return ": leave the scheme out"
    return "; write it like registry.example/team/model:1.0 or …@sha256:…"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a registry asks for; *name* is what manifests call it, and what messages may say."""

    username: str
    password: Secret
    name: str = ""

    @property
    def is_identity(self) -> bool:
        """Whether the password is an identity token, for the registry's token server alone."""
        return self.username == TOKEN_USER

    def basic(self) -> Secret:
        """HTTP's Authorization header (RFC 7617); UTF-8, as htpasswd files are."""
        pair = f"{self.username}:{self.password.reveal()}"
        return Secret("Basic " + base64.b64encode(pair.encode()).decode())


@dataclass(frozen=True, slots=True)
class Layer:
    """One compressed layer, as the registry holds it."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a registry says of an image.

    *digest* is that of the manifest which fits the platform, *index_digest* of what the tag names (the same
    where there is no index). Architecture and variant are Docker's words: amd64, arm64, arm + v7.
    """

    digest: str
    index_digest: str
    architecture: str
    variant: str
    os: str
    download_bytes: int
    layers: tuple[Layer, ...]
    env: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ImageTraits:
    """What an image asks of the device by itself, from its configuration, before a layer is pulled.

    *require* are the lines of its environment that NVIDIA's tools read; *sass* and *ptx* the compute
    capabilities its label says it holds code for.
    """

    architecture: str = ""
    variant: str = ""
    require: tuple[str, ...] = ()
    sass: tuple[str, ...] = ()
    ptx: tuple[str, ...] = ()
    download_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What registries said of images, by the reference that was asked for; *unknown* says why one did not."""

    facts: Mapping[str, ImageFacts] = field(default_factory=lambda: MappingProxyType({}))
    unknown: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def room_bytes(download_bytes: int, asked_bytes: int) -> int:
    """What must be free to fetch so many compressed bytes; *asked_bytes* where the manifest knows of more."""
    return max(int(download_bytes * _UNPACK_FACTOR) + _RESERVE_BYTES, asked_bytes)
