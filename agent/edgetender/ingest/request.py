"""Which messages does one HTTP request hold, or which wish, or why is it not taken? Pure.

HTTP by hand, as far as it goes here: one POST to a connection, a length, a body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from edgetender.codec import decode
from edgetender.errors import ManifestInvalid
from edgetender.model.gate import LONGEST_S

ROOT, DELAY = "/v1/messages/", "/v1/delay"
MAX_REQUEST_BYTES = 256 * 1024
_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/json-lines"})


class Refused(Exception):
    """Answered with *status*; *retry_s* says when the same may be taken."""

    def __init__(self, status: int, code: str, message: str, *, retry_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_s = status, code, retry_s

    @property
    def answer(self) -> bytes:
        return answer(self.status, {"error": {"code": self.code, "message": str(self)}}, self.retry_s)


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body: *lines*, whether each line of it is a message.

    *stream* is where they go; empty where no message comes but the wish to be let alone for a while.
    """

    stream: str
    length: int
    lines: bool = False
    expects: bool = False  # it waits for a word before it sends the body


def head_of(head: bytes, streams: Mapping[str, str]) -> Head:
    """Read a request's first lines. Raises Refused for what is none that is served for *streams*."""
    first, *rest = head.decode("latin-1").split("\r\n")
    method, _, target = first.partition(" ")
    path, _, version = target.partition(" ")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
    }
    if not version.startswith("HTTP/1."):
        raise Refused(400, "request.malformed", "this is no HTTP/1.1")
    if path != DELAY and not path.startswith(ROOT):
        there = f"send to {ROOT}STREAM, ask for time at {DELAY}"
        raise Refused(404, "request.path", f"there is nothing at {path[:64]!r}: {there}")
    stream = "" if path == DELAY else path.removeprefix(ROOT)
    if path != DELAY and stream not in streams:
        known = ", ".join(streams)
        raise Refused(
            404, "stream.unknown", f"no stream {stream[:64]!r}; the manifest gives this module: {known}"
        )
    if method != "POST":
        raise Refused(405, "request.method", "it is sent with POST")
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or "transfer-encoding" in fields:
        raise Refused(411, "request.length", "say how long the body is: Content-Length, not in chunks")
    if int(length[:20]) > MAX_REQUEST_BYTES:
        raise Refused(413, "request.large", f"one request holds at most {MAX_REQUEST_BYTES} bytes")
    kind = fields.get("content-type", "").partition(";")[0].strip().lower()
    expects = fields.get("expect", "").lower() == "100-continue"
    return Head(stream, int(length), kind in _LINES, expects)


def messages_in(body: bytes, *, lines: bool, max_bytes: int, most: int) -> tuple[bytes, ...]:
    """Each message as it was written. Raises Refused unless all of them can be taken.

    They are JSON, strictly (see `codec`), because the cloud's side reads several as one array.
    """
    found = [one.strip() for one in (body.splitlines() if lines else [body])]
    found = [one for one in found if one or not lines]
    if not found:
        raise Refused(400, "message.none", "the body holds no message")
    if len(found) > most:
        raise Refused(413, "request.large", f"{len(found)} messages in one request; at most {most} are taken")
    for number, one in enumerate(found, 1):
        what = f"line {number}" if lines else "the message"
        if len(one) > max_bytes:
            raise Refused(413, "message.large", f"{what} has {len(one)} bytes; at most {max_bytes} are taken")
        try:
            decode(one)
        except ManifestInvalid as error:
            raise Refused(
                400, "message.malformed", f"{what} is no JSON: {error.problems[0].message}"
            ) from None
    return tuple(found)


def delay_in(body: bytes) -> dict[str, Any]:
    """For how long an update of the module is to wait, and why: `for_s`, `reason`. Raises Refused for anything else."""
    try:
        said = decode(body)
    except ManifestInvalid as error:
        raise Refused(400, "delay.malformed", f"it is no JSON: {error.problems[0].message}") from None
    wish = said if isinstance(said, dict) else {}
    length, reason = wish.get("for_s"), wish.get("reason", "")
    sound = isinstance(length, int | float) and not isinstance(length, bool) and 0 <= length <= LONGEST_S
    if not sound or not isinstance(reason, str) or set(wish) - {"for_s", "reason"}:
        how = f'say {{"for_s": SECONDS, "reason": "…"}}, {LONGEST_S} seconds at most; 0 end it'
        raise Refused(400, "delay.malformed", how)
    return {"for_s": length, "reason": reason}


def answer(status: int, document: Mapping[str, object], retry_s: float | None = None) -> bytes:
    """The whole answer; there is one to each connection."""
    body = json.dumps(document).encode() + b"\n"
    head = [
        f"HTTP/1.1 {status:d} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if retry_s is not None:
        head.append(f"Retry-After: {max(1, -int(-retry_s // 1))}")
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + body
