"""How does one blob get into a repository? Mounted from another, else in chunks; a broken upload is gone on with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from edgetender.errors import ImageMissing, RegistryDenied, RegistryUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from edgetender.registry.connection import Connection
    from edgetender.registry.manifests import Descriptor

Progress = Callable[[str, int, int], None]
# The rest goes with the closing PUT: a blob of one chunk is sent as every registry takes it. Proxies that hand on
# whole requests only, and those that bound a body, get on with chunks; above S3's least part (5 MiB).
CHUNK_BYTES = 32 * 1024 * 1024
_CREATED, _MISSING = 201, 404
_VOID = frozenset({400, 404, 416})  # of an upload begun earlier: the registry knows it no more, or otherwise
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")


@dataclass(slots=True)
class Traces:
    """What earlier pushes and pulls left behind in one registry: hints, each of which the registry may deny.

    *held*: a blob's digest → a repository that has it; *begun*: `repository@digest` → where its upload goes on.
    *keep* is called after each change.
    """

    held: dict[str, str] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    keep: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Said:
    """What is read of an answer."""

    status: int
    location: str
    range: str
    chunk_min: str


class Repository:
    """Requests to the repository *name*, told in errors as *what*."""

    def __init__(self, connection: Connection, name: str, what: str) -> None:
        self._connection, self.name, self.what = connection, name, what
        self._base, self._scope = f"/v2/{name}/", f"repository:{name}:pull,push"

    def ask(
        self,
        method: str,
        target: str,
        expect: set[int] | frozenset[int],
        *,
        headers: dict[str, str] | None = None,
        body: Callable[[], object] | None = None,
        other: str = "",
    ) -> Said:
        """*target*: below the repository, or a location the registry gave. *other*: a repository to be read, too."""
        absolute = target.startswith("/") or "://" in target
        with self._connection.request(
            method,
            target if absolute else self._base + target,
            what=self.what,
            scope=f"{self._scope} repository:{other}:pull" if other else self._scope,
            expect=frozenset(expect),
            headers=headers,
            body=body,
        ) as answer:
            names = ("Location", "Range", "OCI-Chunk-Min-Length")
            return Said(answer.status, *(answer.header(name) for name in names))


@dataclass(slots=True)
class _Upload:
    """An upload that is open: where its next chunk goes, and how much of the blob is there."""

    location: str
    offset: int = 0
    chunk_bytes: int = CHUNK_BYTES


class BlobUploads:
    """Sends blobs to one repository. *progress(digest, sent_bytes, size_bytes)* is called on the way."""

    def __init__(self, repository: Repository, traces: Traces, progress: Progress) -> None:
        self._repository, self._traces, self._progress = repository, traces, progress

    def send(self, one: Descriptor, path: Path) -> None:
        """Return when the repository has the blob. Raises RegistryDenied, RegistryUnreachable, OSError."""
        if self._repository.ask("HEAD", f"blobs/{one.digest}", {200, _MISSING}).status == _MISSING:
            with path.open("rb") as stream:
                self._send(one, stream)
        self._traces.held[one.digest] = self._repository.name
        self._traces.begun.pop(self._key(one), None)
        self._traces.keep()
        self._progress(one.digest, one.size_bytes, one.size_bytes)

    def _send(self, one: Descriptor, stream: BinaryIO) -> None:
        begun = self._resumed(one)
        if begun is not None and self._rest(one, stream, begun, voids=_VOID):
            return
        opened = self._opened(one)
        if opened is not None:
            self._progress(one.digest, 0, one.size_bytes)
            self._rest(one, stream, opened)

    def _key(self, one: Descriptor) -> str:
        return f"{self._repository.name}@{one.digest}"

    def _resumed(self, one: Descriptor) -> _Upload | None:
        """The upload that was begun, where the registry still knows it. One byte and none are told alike: anew."""
        location = self._traces.begun.get(self._key(one))
        if location is None:
            return None
        try:
            said = self._repository.ask("GET", location, {200, 202, 204} | _VOID)
        except (ImageMissing, RegistryDenied):  # gone, or its address was good for a while only
            return None
        offset = _received(said)
        if said.status in _VOID or not 1 < offset <= one.size_bytes:
            return None
        self._progress(one.digest, offset, one.size_bytes)
        return _Upload(said.location or location, offset)

    def _opened(self, one: Descriptor) -> _Upload | None:
        """A new upload; None: the registry took the blob from a repository that has it."""
        source = self._traces.held.pop(one.digest, self._repository.name)
        said = None
        if source != self._repository.name:
            target = f"blobs/uploads/?mount={one.digest}&from={source}"
            try:
                said = self._repository.ask("POST", target, {_CREATED, 202}, other=source)
            except (ImageMissing, RegistryDenied):  # we may not read there: it is sent, then
                said = None
        if said is None:
            said = self._repository.ask("POST", "blobs/uploads/", {202})
        if said.status == _CREATED:
            return None
        least = int(said.chunk_min) if said.chunk_min.isdecimal() else 0
        return _Upload(self._noted(one, said.location), chunk_bytes=max(CHUNK_BYTES, least))

    def _noted(self, one: Descriptor, location: str) -> str:
        self._traces.begun[self._key(one)] = location
        self._traces.keep()
        return location

    def _rest(
        self, one: Descriptor, stream: BinaryIO, upload: _Upload, voids: frozenset[int] = frozenset()
    ) -> bool:
        """Send what is missing; False: the registry answered one of *voids*, so the upload is worth nothing."""
        while True:
            end = min(upload.offset + upload.chunk_bytes, one.size_bytes)
            last = end == one.size_bytes
            mark = "&" if "?" in upload.location else "?"
            target = f"{upload.location}{mark}digest={one.digest}" if last else upload.location
            said = self._repository.ask(
                "PUT" if last else "PATCH",
                target,
                {201, 202, 204} | voids,
                headers=_headers(upload.offset, end, whole=last and not upload.offset),
                body=self._slice(one, stream, upload.offset, end),
            )
            if last or said.status in voids:
                return said.status not in voids
            before, upload.offset = upload.offset, _received(said) or end
            if not before < upload.offset <= one.size_bytes:
                why = f"the registry has {upload.offset} bytes of {one.digest}, which were not sent so"
                raise RegistryUnreachable(f"cannot {self._repository.what}: {why}; is it a registry?")
            upload.location = self._noted(one, said.location or upload.location)

    def _slice(self, one: Descriptor, stream: BinaryIO, start: int, end: int) -> Callable[[], object] | None:
        if start == end:
            return None  # all of it is there, only the closing word is not

        def body() -> _Slice:
            stream.seek(start)
            return _Slice(
                stream, end - start, lambda sent: self._progress(one.digest, start + sent, one.size_bytes)
            )

        return body


def _headers(start: int, end: int, *, whole: bool) -> dict[str, str]:
    kind = {"Content-Type": "application/octet-stream"}
    return kind if whole or start == end else kind | {"Content-Range": f"{start}-{end - 1}"}


def _received(said: Said) -> int:
    """How many bytes of the upload are there; 0 also where the registry does not say."""
    match = _RANGE.fullmatch(said.range)
    return int(match[1]) + 1 if match and int(match[1]) else 0


class _Slice:
    """A piece of a file that says how much of it was read; requests never holds it whole."""

    def __init__(self, stream: BinaryIO, size: int, tell: Callable[[int], None]) -> None:
        self._stream, self._size, self._tell, self._sent = stream, size, tell, 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(256 * 1024):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._sent
        chunk = self._stream.read(left if size < 0 else min(size, left))
        self._sent += len(chunk)
        if chunk:
            self._tell(self._sent)
        return chunk
