"""Is a local image whole, and is it on the disk? All of it is read, and every layer compared with its digest."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast
from urllib.parse import quote

from edgetender.engine.connection import Connection
from edgetender.engine.outcomes import refusal
from edgetender.engine.settling import settle
from edgetender.engine.stream import Stream, message_in
from edgetender.errors import EngineDown, EngineRefused, NotFound, Transient

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_QUIET_TICKS = 240  # half a second each: a slow card needs long before the first byte of a large layer


class DockerImages:
    """What an engine's images are made of, and whether that is on its disk. From any thread."""

    def __init__(self, socket: str) -> None:
        self._connection, self._address = Connection(socket, _TIMEOUT_S), socket

    def close(self) -> None:
        self._connection.close()

    def settle(self) -> None:
        """Return when what was pulled until now survives a power cut. Raises EngineDown, EngineRefused.

        Does nothing for an engine on another machine.
        """
        if not self._address.startswith(("unix://", "/")):
            return
        with self._connection.asking("ask where images are kept") as client:
            info = client.info()
        # where containerd keeps snapshots the engine does not say
        roots = [info["DockerRootDir"], *(["/var/lib/containerd"] if _by_containerd(info) else [])]
        for root in roots:
            try:
                settle(root)
            except OSError as error:
                raise EngineRefused(
                    f"cannot sync {root}: {error.strerror}; is the disk of the engine failing?"
                ) from error

    def flaw(self, image: str) -> str | None:
        """What of *image* is missing or damaged, None for nothing. Reads all of it.

        Raises EngineDown, NotFound, and DiskFull: engines put it together on their disk before they hand it out.

        What seems damaged is read again: an engine that is ended meanwhile breaks off, too.
        """
        return self._looked(image) and self._looked(image)

    def _looked(self, image: str) -> str | None:
        what = f"read {image}"
        with self._connection.asking(what) as client:
            inspected: dict[str, Any] = client.inspect_image(image)  # type: ignore[no-untyped-call]
            layers = inspected["RootFS"].get("Layers") or ()
            if _by_containerd(client.info()):
                layers = ()  # it hands out what it fetched, compressed: that has other digests
        path = f"/v{self._connection.api_version()}/images/{quote(image, safe='')}/get"
        with Stream(self._address, "GET", path, what=what, timeout_s=_TIMEOUT_S) as stream:
            body = _Body(stream.chunks(), what)
            begun = body.wait()
            if stream.refused():
                said = refusal(what, stream.status or 0, message_in(begun))
                if isinstance(
                    said, Transient | NotFound
                ):  # the engine unpacks it for this, and may lack the room
                    raise said
                return message_in(begun) or "the engine cannot hand it out"
            return damage(cast(IO[bytes], body), layers)


def damage(archive: IO[bytes], layers: Iterable[str]) -> str | None:
    """What is wrong with an image as the engine hands it out (a tar), None for nothing.

    *layers* are the digests of its layers, unpacked; and a member that is named by a digest must have it.
    """
    found: set[str] = set()
    try:
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                digest = _digest(content)
                found.add(f"sha256:{digest}")
                if member.name.startswith("blobs/sha256/") and not member.name.endswith(digest):
                    return f"{member.name} is not what its name says"
    except (tarfile.TarError, EOFError) as error:
        return f"the engine cannot hand out all of it: {error}"
    missing = [layer for layer in layers if layer not in found]
    return f"layer {missing[0][:19]} is damaged or missing" if missing else None


def _digest(content: IO[bytes]) -> str:
    sha256 = hashlib.sha256()
    while chunk := content.read(_CHUNK):
        sha256.update(chunk)
    return sha256.hexdigest()


def _by_containerd(info: dict[str, Any]) -> bool:
    """Whether images are containerd's (Docker 29's default)."""
    return "io.containerd.snapshotter" in str(info.get("DriverStatus"))


class _Body:
    """An answer's body as a file, as far as tarfile reads one. Raises EngineDown when nothing comes for long."""

    def __init__(self, chunks: Iterator[bytes], what: str) -> None:
        self._chunks, self._what, self._held = chunks, what, b""

    def wait(self) -> bytes:
        """The first bytes, which are read again; b"" where there are none."""
        for ticks, chunk in enumerate(() if self._held else self._chunks):
            if chunk:
                self._held = chunk
                break
            if ticks > _QUIET_TICKS:
                raise EngineDown(f"cannot {self._what}: the engine has nothing more to say")
        return self._held

    def read(self, size: int) -> bytes:
        piece, self._held = self.wait()[:size], self._held[size:]
        return piece
