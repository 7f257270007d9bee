"""What did a container print? Docker's frames become lines, stdout's and stderr's in the order they came.

Without a terminal each frame has a head of eight bytes: the stream's number, three zeros, the length
(Engine API v1.41, ContainerAttach, "Stream format").
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlencode

from edgetender.engine.outcomes import refusal
from edgetender.engine.stream import Stream, message_in
from edgetender.errors import EngineDown

_HEAD = struct.Struct(">BxxxL")
_MOST_LINE_BYTES = 64 * 1024  # what prints no line end is held no longer than so


def log_lines(
    address: str,
    api_version: str,
    container: str,
    *,
    tail: int | None,
    since: datetime | None,
    until: datetime | None,
    timestamps: bool,
    follow: bool,
    timeout_s: float,
) -> Iterator[str]:
    """Yield lines without their ends; with *follow* until the container ends. For one thread.

    One that is longer than 64 KiB comes as several of that length: a program may never end its line.
    """
    wanted = {"stdout": "1", "stderr": "1", "follow": "1" if follow else "0"}
    wanted["tail"] = "all" if tail is None else str(tail)
    if since is not None:
        wanted["since"] = f"{since.timestamp():.6f}"
    if until is not None:
        wanted["until"] = f"{until.timestamp():.6f}"
    if timestamps:
        wanted["timestamps"] = "1"
    path = f"/v{api_version}/containers/{container}/logs?{urlencode(wanted)}"
    what = f"read the logs of container {container[:12]}"
    with Stream(address, "GET", path, what=what, timeout_s=timeout_s) as stream:
        yield from _lines(_checked(stream, what, None if follow else timeout_s))


def _checked(stream: Stream, what: str, timeout_s: float | None) -> Iterator[bytes]:
    """Chunks that hold bytes. Raises EngineDown when none came for *timeout_s*."""
    heard = time.monotonic()
    for chunk in stream.chunks():
        if chunk and stream.refused():
            raise refusal(what, stream.status or 0, message_in(chunk))
        if chunk:
            heard = time.monotonic()
            yield chunk
        elif timeout_s is not None and time.monotonic() - heard > timeout_s:
            raise EngineDown(f"cannot {what}: no answer in {timeout_s:g} s")


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    waiting, number, missing = b"", 0, 0  # *missing* bytes are still to come of a frame of stream *number*
    unfinished: dict[int, bytes] = {}  # a line may come in several frames, with the other stream's between
    for chunk in chunks:
        waiting += chunk
        while waiting:
            if not missing:
                if len(waiting) < _HEAD.size:
                    break
                number, missing = _HEAD.unpack_from(waiting)
                waiting = waiting[_HEAD.size :]
            text, waiting = waiting[:missing], waiting[missing:]
            missing -= len(text)
            *whole, unfinished[number] = _cut(unfinished.get(number, b"") + text)
            yield from (_text(line) for line in whole)
    yield from (_text(line) for line in unfinished.values() if line)


def _cut(text: bytes) -> list[bytes]:
    """The lines of *text*, each at most `_MOST_LINE_BYTES`; the last one may go on."""
    return [
        line[at : at + _MOST_LINE_BYTES]
        for line in text.split(b"\n")
        for at in range(0, len(line) or 1, _MOST_LINE_BYTES)
    ]


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")
