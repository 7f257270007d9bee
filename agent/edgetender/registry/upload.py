"""Which bytes of an image layout does a registry lack, and how are they sent? Children before their index."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from edgetender.codec import sha256_hex
from edgetender.errors import ImageMissing
from edgetender.registry.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Manifest, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgetender.registry.connection import Connection

Progress = Callable[[str, int, int], None]
_MISSING = 404


def push(
    connection: Connection, repository: str, tag: str, layout: Path, *, progress: Progress | None = None
) -> str:
    """Send *layout* as `repository:tag`; return the digest of what the tag names.

    A layout of one image is sent as that image, a layout of several as their index. The tag moves last:
    an interrupted push changes nothing that can be seen. Raises ImageMissing for a layout that is none.
    """
    sending = _Push(connection, repository, layout, f"push {connection.host}/{repository}:{tag}", progress)
    index = sending.read("index.json")
    children = sending.understood(index)
    if isinstance(children, Index) and len(children.children) == 1:
        only = children.children[0]
        index = sending.read(_path(only.digest))
        return sending.manifest(index, tag, only.media_type)
    return sending.manifest(index, tag, OCI_INDEX)


class _Push:
    """One push: where from, where to, and what its errors say."""

    def __init__(
        self, connection: Connection, repository: str, layout: Path, what: str, progress: Progress | None
    ) -> None:
        self._connection, self._layout, self._what = connection, layout, what
        self._base, self._scope = f"/v2/{repository}", f"repository:{repository}:pull,push"
        self._progress = progress or (lambda _digest, _sent, _size: None)

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
        target = f"{self._base}/manifests/{name}"
        self._do("PUT", target, {201, 202}, headers={"Content-Type": kind}, body=lambda: body)
        return f"sha256:{sha256_hex(body)}"

    def _blob(self, one: Descriptor) -> None:
        path = self._layout / _path(one.digest)
        if not path.is_file() or path.stat().st_size != one.size_bytes:
            raise self._unusable(f"the blob {one.digest} is missing or cut short")
        status, _ = self._do("HEAD", f"{self._base}/blobs/{one.digest}", {200, _MISSING})
        if status != _MISSING:
            self._progress(one.digest, one.size_bytes, one.size_bytes)
            return
        _, location = self._do("POST", f"{self._base}/blobs/uploads/", {202})
        target = f"{location}{'&' if '?' in location else '?'}digest={one.digest}"
        with path.open("rb") as stream:

            def body() -> _Counted:
                stream.seek(0)
                return _Counted(stream, one, self._progress)

            headers = {"Content-Type": "application/octet-stream"}
            self._do("PUT", target, {201, 202}, headers=headers, body=body)

    def _do(
        self,
        method: str,
        target: str,
        expect: set[int],
        *,
        headers: dict[str, str] | None = None,
        body: Callable[[], object] | None = None,
    ) -> tuple[int, str]:
        with self._connection.request(
            method,
            target,
            what=self._what,
            scope=self._scope,
            expect=frozenset(expect),
            headers=headers,
            body=body,
        ) as answer:
            return answer.status, answer.header("Location")

    def _unusable(self, why: str) -> ImageMissing:
        return ImageMissing(
            f"cannot {self._what}: {self._layout} is no whole image layout: {why}; package it again"
        )


class _Counted:
    """A file that says how much of it was read; requests never holds it whole."""

    def __init__(self, stream: BinaryIO, one: Descriptor, progress: Progress) -> None:
        self._stream, self._one, self._progress, self._sent = stream, one, progress, 0

    def __len__(self) -> int:
        return self._one.size_bytes

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(256 * 1024):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._sent += len(chunk)
        if chunk:
            self._progress(self._one.digest, self._sent, self._one.size_bytes)
        return chunk


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
