"""What is in a compressed body? Unpacked on a scoring thread, never past the limit for bodies."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from edgetender_scoring.message import Request, to_json
from edgetender_scoring.outcome import Outcome, message

ENCODINGS = "gzip, deflate"
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER = 32 + zlib.MAX_WBITS  # gzip's head or zlib's
UNKNOWN = 415


class Unpacker:
    """A handler that replaces a request's body by what is in it; the outcome is 200, or why it cannot."""

    batch = 1

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def takes_s(self, _request: Request) -> float:
        return math.inf

    def call(self, request: Request) -> Outcome:
        if request.encoding not in _KNOWN:
            return message(UNKNOWN, f"The content encoding {request.encoding!r} is none of {ENCODINGS}.")
        try:
            body = unpack(request.body, self._limit)
        except (zlib.error, EOFError):
            return message(400, f"The body is no {request.encoding}.")
        if body is None:
            return message(413, f"The unpacked body must not exceed {self._limit} bytes.")
        request.body, request.encoding = body, ""
        request.headers = [
            (name, value)
            for name, value in request.headers
            if name.lower() not in {b"content-encoding", b"content-length"}
        ]
        return Outcome(200, to_json(None))

    def call_many(self, requests: Sequence[Request]) -> list[Outcome]:
        return [self.call(request) for request in requests]

    def stop(self, _thread: int) -> bool:
        return False


def unpack(data: bytes, limit: int) -> bytes | None:
    """Return what *data* holds, members one after the other; None for more than *limit* bytes.

    Raises zlib.error for data that is neither gzip nor zlib, EOFError where the end is missing.
    """
    parts: list[bytes] = []
    size = 0
    while data:
        member = zlib.decompressobj(_EITHER)
        parts.append(member.decompress(data, limit - size + 1))
        size += len(parts[-1])
        if size > limit:
            return None
        if not member.eof:
            raise EOFError
        data = member.unused_data
    return b"".join(parts)
