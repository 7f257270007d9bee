"""What does a registry say of an image, and how do its bytes get here and there? OCI distribution v2."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar

from edgetender.errors import ImageMissing, RegistryUnreachable
from edgetender.registry import upload
from edgetender.registry.connection import Connection
from edgetender.registry.manifests import (
    ACCEPTED,
    Index,
    Manifest,
    choose,
    decode,
    facts,
    variants,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgetender.model.image import Credential, ImageFacts, ImageReference
    from edgetender.registry.blob_upload import Progress, Traces

_Read = TypeVar("_Read")
_CHUNK = 1 << 20
_PART, _NO_SUCH_RANGE = 206, 416  # the latter also where all of it is here already
_NESTING = 3  # an index of indexes is allowed; a loop of them is not


class Registry:
    """One registry with one credential. One try per request; not for several threads at once.

    Everything raises RegistryDenied, ImageMissing or RegistryUnreachable (with `retry_after_s` when the
    registry said so). *timeout_s* holds for each wait on the network, not for the whole.
    """

    def __init__(
        self,
        host: str,
        *,
        credential: Credential | None = None,
        ca_file: Path | None = None,
        plain_http: bool = False,
        timeout_s: float = 10,
    ) -> None:
        self._host = host
        self._connection = Connection(
            host, credential=credential, ca_file=ca_file, plain_http=plain_http, timeout_s=timeout_s
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exits: object) -> None:
        self._connection.__exit__(*exits)

    def resolve(self, reference: ImageReference, architecture: str, variant: str = "") -> ImageFacts:
        """Return the facts of what *reference* names for Linux on this architecture (Docker's words).

        ImageMissing also when the image is there, but for other platforms only. Every digest is checked.
        """
        what = f"resolve {reference}"
        repository = reference.repository
        index_digest, found = self._manifest(repository, reference.digest or reference.tag or "latest", what)
        digest = index_digest
        for _ in range(_NESTING):
            if isinstance(found, Manifest):
                break
            child = choose(found, architecture, variant)
            if child is None:
                held = (
                    ", ".join(sorted({one.platform for one in found.children if one.platform})) or "nothing"
                )
                raise ImageMissing(f"cannot {what}: {_for(architecture, variant, held)}")
            digest, found = self._manifest(repository, child.digest, what)
        if isinstance(found, Index):
            raise ImageMissing(f"cannot {what}: its index leads to no image; push it again")
        config = self._document(repository, "blobs", found.config.digest, what)[1]
        image = _understood(lambda: facts(found, config, digest=digest, index_digest=index_digest), what)
        fits = image.architecture in {architecture, ""} and (
            not image.variant or image.variant in variants(architecture, variant)
        )
        if not fits or image.os != "linux":
            held = "/".join(word for word in (image.os, image.architecture, image.variant) if word)
            raise ImageMissing(f"cannot {what}: {_for(architecture, variant, held)}")
        return image

    def digest(self, reference: ImageReference) -> str:
        """Return what *reference* names now, an image or an index of them: by this digest it stays the same."""
        return self._manifest(
            reference.repository, reference.digest or reference.tag or "latest", f"resolve {reference}"
        )[0]

    def sign_in(self) -> None:
        """Return when the registry takes the credential."""
        with self._connection.request("GET", "/v2/", what=f"log in to {self._host}", scope=""):
            pass

    def manifest(self, repository: str, digest: str) -> bytes:
        """Return an image's manifest as it is, its digest checked."""
        what = f"fetch the manifest {digest} of {self._host}/{repository}"
        return self._document(repository, "manifests", digest, what)[1]

    def small_blob(self, repository: str, digest: str) -> bytes:
        """Return a blob of a few MiB at most, its digest checked."""
        return self._document(repository, "blobs", digest, f"fetch {digest} of {self._host}/{repository}")[1]

    def referrers(self, repository: str, digest: str) -> bytes:
        """Return an index of what refers to a manifest; by its tag where a registry has no such API, empty for none."""
        what = f"ask what refers to {digest} in {self._host}/{repository}"
        scope = f"repository:{repository}:pull"
        try:
            with self._connection.request(
                "GET", f"/v2/{repository}/referrers/{digest}", what=what, scope=scope
            ) as answer:
                return answer.document()
        except ImageMissing:
            pass
        try:
            return self._document(repository, "manifests", digest.replace(":", "-"), what)[1]
        except ImageMissing:
            return b"{}"

    def blob(
        self,
        repository: str,
        digest: str,
        into: BinaryIO,
        tell: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Bring the blob into *into*, a file to be read and written, and return its bytes.

        What is in the file already counts as the blob's beginning and is not fetched again. The digest is known to
        be right only on return; a file that turns out to be something else is emptied. *tell* takes the bytes so far.
        """
        what = f"fetch {digest} of {self._host}/{repository}"
        into.seek(0)
        sha256 = hashlib.sha256()
        while chunk := into.read(_CHUNK):
            sha256.update(chunk)
        held = into.tell()
        with self._connection.request(
            "GET",
            f"/v2/{repository}/blobs/{digest}",
            what=what,
            scope=f"repository:{repository}:pull",
            expect=frozenset({200, 206, _NO_SUCH_RANGE}),
            headers={"Range": f"bytes={held}-"} if held else None,
        ) as answer:
            goes_on = answer.status == _PART and answer.header("Content-Range").startswith(f"bytes {held}-")
            if answer.status == 200 or goes_on:  # noqa: PLR2004
                if not goes_on:
                    sha256 = hashlib.sha256()
                    _empty(into)
                tell(into.tell())
                for chunk in answer.chunks():
                    sha256.update(chunk)
                    into.write(chunk)
                    tell(into.tell())
        try:
            _check_digest(digest, f"sha256:{sha256.hexdigest()}", what)
        except RegistryUnreachable:
            _empty(into)
            raise
        return into.tell()

    def push(
        self,
        repository: str,
        tag: str,
        layout: Path,
        *,
        progress: Progress | None = None,
        traces: Traces | None = None,
    ) -> str:
        """Send the OCI layout's image (or index, where it holds several) and return its digest.

        Blobs the registry holds are not sent; those of which *traces* tell are mounted, or gone on with.
        *progress(digest, sent_bytes, size_bytes)* is called on the way.
        """
        return upload.push(self._connection, repository, tag, layout, progress=progress, traces=traces)

    def _manifest(self, repository: str, name: str, what: str) -> tuple[str, Index | Manifest]:
        digest, body = self._document(repository, "manifests", name, what)
        return digest, _understood(lambda: decode(body), what)

    def _document(self, repository: str, kind: str, name: str, what: str) -> tuple[str, bytes]:
        with self._connection.request(
            "GET",
            f"/v2/{repository}/{kind}/{name}",
            what=what,
            scope=f"repository:{repository}:pull",
            headers={"Accept": ", ".join(ACCEPTED) if kind == "manifests" else "*/*"},
        ) as answer:
            body = answer.document()
            said = answer.header("Docker-Content-Digest")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        _check_digest(name if ":" in name else said or digest, digest, what)
        return digest, body


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _understood(read: Callable[[], _Read], what: str) -> _Read:
    try:
        return read()
    except ValueError as error:
        raise ImageMissing(f"cannot {what}: {error}; push it again as an OCI or Docker image") from error


def _check_digest(promised: str, found: str, what: str) -> None:
    """Other bytes than promised are a broken transfer or a broken registry: later it may be well again."""
    if promised != found:
        raise RegistryUnreachable(
            f"cannot {what}: the bytes are {found}, not {promised}; is a proxy or a bad disk in between?"
        )


def _for(architecture: str, variant: str, held: str) -> str:
    wanted = "/".join(word for word in ("linux", architecture, variant) if word)
    return f"it is for {held}, this device is {wanted}; push it for {wanted} too"
