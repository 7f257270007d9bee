"""Which bytes of an image layout does a registry lack, and in which order are they sent? Children first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgetender.codec import sha256_hex
from edgetender.errors import ImageMissing
from edgetender.registry.blob_upload import BlobUploads, Progress, Repository, Traces
from edgetender.registry.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Manifest, decode

if TYPE_CHECKING:
    from pathlib import Path

    from edgetender.registry.connection import Connection


def push(
    connection: Connection,
    repository: str,
    tag: str,
    layout: Path,
    *,
    progress: Progress | None = None,
    traces: Traces | None = None,
) -> str:
    """Send *layout* as `repository:tag`; return the digest of what the tag names.

    A layout of one image is sent as that image, a layout of several as their index. The tag moves last: an
    interrupted push changes nothing that can be seen, and with the same *traces* the next one goes on from where
    it stopped. Raises ImageMissing for a layout that is none.
    """
    asked = Repository(connection, repository, f"push {connection.host}/{repository}:{tag}")
    blobs = BlobUploads(
        asked, Traces() if traces is None else traces, progress or (lambda _digest, _sent, _size: None)
    )
    sending = _Push(asked, layout, blobs)
    index = sending.read("index.json")
    children = sending.understood(index)
    if isinstance(children, Index) and len(children.children) == 1:
        only = children.children[0]
        index = sending.read(_path(only.digest))
        return sending.manifest(index, tag, only.media_type)
    return sending.manifest(index, tag, OCI_INDEX)


class _Push:
    """One push: where from, and where to."""

    def __init__(self, repository: Repository, layout: Path, blobs: BlobUploads) -> None:
        self._repository, self._layout, self._blobs = repository, layout, blobs

    def read(self, name: str) -> bytes:
        try:
            return (self._layout / name).read_bytes()
        except OSError as error:
            raise self._unusable(f"{name} cannot be read: {error.strerror}") from error

    def understood(self, body: bytes) -> Index | Manifest:
        try:
            return decode(body)
        except ValueError as error:
            raise self._unusable(str(error)) from error

    def manifest(self, body: bytes, name: str, media_type: str) -> str:
        """Send what *body* names, then *body* itself as *name* (a tag or a digest). Return its digest."""
        found = self.understood(body)
        if isinstance(found, Index):
            for child in found.children:
                self.manifest(self.read(_path(child.digest)), child.digest, child.media_type)
        else:
            for one in {one.digest: one for one in (*found.layers, found.config)}.values():
                self._blob(one)
        kind = json.loads(body).get("mediaType") or media_type or OCI_MANIFEST
        headers = {"Content-Type": kind}
        self._repository.ask("PUT", f"manifests/{name}", {201, 202}, headers=headers, body=lambda: body)
        return f"sha256:{sha256_hex(body)}"

    def _blob(self, one: Descriptor) -> None:
        path = self._layout / _path(one.digest)
        if not path.is_file() or path.stat().st_size != one.size_bytes:
            raise self._unusable(f"the blob {one.digest} is missing or cut short")
        self._blobs.send(one, path)

    def _unusable(self, why: str) -> ImageMissing:
        return ImageMissing(
            f"cannot {self._repository.what}: {self._layout} is no whole image layout: {why}; package it again"
        )


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
