"""What is a request, what is an answer, and how does an answer look as bytes?"""

from __future__ import annotations

import http
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

try:
    import orjson
except ImportError:  # no wheel for this platform: the standard library does the same, slower
    orjson = None  # type: ignore[assignment]

JSON = "application/json"
_NUMPY = 0 if orjson is None else orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
HTML = "text/html; charset=utf-8"
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Span:
    """Our part of a trace, as hex; *parent* is the caller's span, empty where the trace begins here."""

    trace: str
    id: str
    parent: str


@dataclass(slots=True)
class Request:
    """One request, complete. Header names in *headers* are as sent; the named ones are picked out."""

    method: str
    path: bytes
    query: bytes
    keep_alive: bool
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    request_id: str | None = None
    ms_request_id: str | None = None
    client_request_id: str | None = None
    trace_id: str | None = None
    traceparent: str | None = None
    origin: str | None = None
    marked: bool = False
    """One of these, or an encoding, is given: hardly another request has the same head."""
    encoding: str = ""
    """How the body is compressed, in lower case; empty: it is not."""
    arrived: float = 0.0
    span: Span | None = None
    """What is recorded of it as part of a trace; None: nothing."""
    given_up: bool = False
    """The client has hung up: nobody waits for the answer. Set by the event loop, read by the threads."""

    def header(self, name: bytes) -> str:
        """The value under *name* (lower case), empty where there is none."""
        for given, value in self.headers:
            if len(given) == len(name) and given.lower() == name:
                return value.decode("latin-1")
        return ""


@dataclass(slots=True)  # not frozen: one is made for each request, and freezing triples its cost
class Response:
    """One answer. *headers* are added as they are; length, date and connection are the encoder's.

    *block*: more headers, as the lines they are sent as.
    """

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    block: str = ""


def to_json(value: Any) -> bytes:
    """Return *value* as JSON. Raises TypeError or ValueError when it is none."""
    if orjson is not None:
        try:
            return orjson.dumps(value)
        except TypeError:
            pass  # what json alone can do: integers beyond 64 bit, keys that are no strings
    return json.dumps(value).encode()


def tensor_json(value: Any) -> bytes:
    """Return *value*, arrays and what numpy makes in it included, as JSON."""
    if orjson is not None:
        try:
            return orjson.dumps(value, option=_NUMPY, default=_plain)
        except TypeError:
            pass
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    return value.tolist()


def error(status: int, text: str, headers: Iterable[tuple[str, str]] = (), block: str = "") -> Response:
    """Return an error in the form clients of the contract parse: `{"message": ...}`."""
    return Response(status, to_json({"message": text}), headers=tuple(headers), block=block)


def lines(headers: Iterable[tuple[str, str]]) -> str:
    """Return *headers* as they are sent."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


class _Beginnings:
    """The first two lines of answers, by status; made anew each second, for one of them is the date."""

    def __init__(self) -> None:
        self._begun = self._ended = 0.0
        self._made: dict[int, str] = {}

    def of(self, status: int) -> str:
        now = time.time()
        if not self._begun <= now < self._ended:
            self._begun = now // 1
            self._ended = self._begun + 1
            self._made.clear()
        return self._made.get(status) or self._make(status)

    def _make(self, status: int) -> str:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self._begun))
        made = f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: {date}\r\n"
        self._made[status] = made
        return made


_beginning = _Beginnings().of


def encode(response: Response, *, keep_alive: bool, head_only: bool = False) -> bytes:
    """Return the answer's bytes, in one piece. Raises ValueError when a header cannot be sent as it is."""
    status, body = response.status, response.body
    more = lines(response.headers) if response.headers else ""
    if not keep_alive:
        more += "Connection: close\r\n"
    if status in _BODILESS:
        return f"{_beginning(status)}{response.block}{more}\r\n".encode("latin-1")
    head = (
        f"{_beginning(status)}{response.block}"
        f"Content-Type: {response.content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    ).encode("latin-1")
    return head if head_only else head + body


def sendable(name: str, value: str) -> bool:
    """Whether the pair can go out as a header: nothing in it may end a line or fall out of latin-1."""
    text = name + value
    return not any(char in text for char in "\r\n\0") and _is_latin1(text) and ":" not in name and bool(name)


def _is_latin1(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"
