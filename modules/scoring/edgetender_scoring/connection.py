"""How do bytes on one connection become requests, and answers bytes, in order? Event loop only.

One request of a connection is scored at a time and the rest wait, so that pipelined answers keep their order
whatever the number of threads; reading pauses when too many wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

import httptools

from edgetender_scoring import message
from edgetender_scoring.heads import Heads
from edgetender_scoring.message import Request, Response
from edgetender_scoring.routes import Deliver

log = logging.getLogger("edgetender_scoring")

_HEAD_LIMIT = 64 * 1024
_WAITING_LIMIT = 16
_LINGER_S = 1.0  # so that the client reads the refusal before the connection is reset under it
_PICKED = {
    b"origin": "origin",
    b"traceid": "trace_id",
    b"traceparent": "traceparent",
    b"x-request-id": "request_id",
    b"x-ms-request-id": "ms_request_id",
    b"x-ms-client-request-id": "client_request_id",
}
_LENGTHS = frozenset(map(len, (*_PICKED, b"content-length", b"content-encoding", b"expect")))
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Answering(Protocol):
    """What a connection asks for answers."""

    @property
    def draining(self) -> bool: ...
    def answer(self, request: Request, deliver: Deliver) -> None: ...


class Connection(asyncio.Protocol):
    """One client. *connections* holds it while it is open; *heads* are those of all."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        application: Answering,
        connections: set[Connection],
        heads: Heads,
        body_limit: int,
    ) -> None:
        self._loop, self._application, self._connections = loop, application, connections
        self._heads, self._body_limit = heads, body_limit
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request | Response] = deque()
        self._current: Request | None = None
        self._request: Request | None = None
        self._reading_paused = self._writing_paused = self._ended = self._deaf = False
        self._continue_due = False
        self._head_bytes = 0
        self._between = True  # the next byte may begin a request
        self._whole: bytes | None = None  # what may be one request and no more: it began with its first byte
        self.active_at = loop.time()
        self._begin()

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is a Transport
        self._connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        self._waiting.clear()
        if self._current is not None:
            self._current.given_up = True

    def data_received(self, data: bytes) -> None:
        self.active_at = self._loop.time()
        if self._deaf:
            return
        request = self._heads.recall(data) if self._between else None
        if request is None:
            self._parse(data)
        else:
            request.arrived = time.monotonic()
            self._waiting.append(request)
        self._proceed()

    def _parse(self, data: bytes) -> None:
        self._whole = data if self._between else None
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the request itself is taken, and answered in HTTP/1.1
        except httptools.HttpParserError:
            if not self._deaf:
                self._refuse(message.error(400, "The request is no HTTP."))
        if not self._head_done and self._head_bytes > _HEAD_LIMIT and not self._deaf:
            self._refuse(message.error(431, "The request's head is too large."))

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for answers."""
        self._ended = self._deaf = True
        return self._current is not None or bool(self._waiting)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._proceed()

    # what the parser calls

    def on_message_begin(self) -> None:
        self._between = False
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_done = True
        if self._deaf:
            return
        parser = self._parser
        path, _, query = bytes(self._url).partition(b"#")[0].partition(b"?")
        if not path.startswith(b"/") and b"://" in path:  # the absolute form, as sent to proxies
            path = b"/" + path.split(b"://", 1)[1].partition(b"/")[2]
        self._request = request = Request(
            parser.get_method().decode("latin-1"), path, query, parser.should_keep_alive(), self._headers
        )
        for name, value in self._headers:
            if len(name) in _LENGTHS:  # first: most names end there
                self._heed(request, name.lower(), value)

    def _heed(self, request: Request, name: bytes, value: bytes) -> None:
        """Take in a header that may matter; *name* is in lower case."""
        if name == b"content-length":
            self._has_body = value != b"0"
            if int(value) > self._body_limit:
                self._too_large()
        elif name == b"content-encoding":
            said = value.decode("latin-1").strip().lower()
            request.encoding = "" if said == "identity" else said
            request.marked = True
        elif name in _PICKED:
            setattr(request, _PICKED[name], value.decode("latin-1"))
            request.marked = True
        elif name == b"expect" and value.lower() == b"100-continue" and not self._deaf:
            self._continue_due = True

    def on_body(self, body: bytes) -> None:
        if self._deaf:
            return
        self._continue_due = False
        self._size += len(body)
        if self._size > self._body_limit:
            self._too_large()
            return
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        self._continue_due = False
        if self._parser.should_upgrade() and self._has_body:
            self._refuse(message.error(400, "A request with a body cannot ask for an upgrade."))
            return
        request = self._request
        if request is None:
            return
        request.keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        request.arrived = time.monotonic()
        self._waiting.append(request)
        self._between = request.keep_alive
        if self._whole is not None:
            self._heads.learn(self._whole, request)
        self._request = self._whole = None
        self._head_bytes, self._head_done, self._partial = 0, False, False

    # the queue

    def _begin(self) -> None:
        self._url = bytearray()
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._head_done = self._has_body = False
        self._partial = self._transport is not None

    def _proceed(self) -> None:
        """Answer what waits, as far as it goes now."""
        while self._waiting and self._current is None and not self._writing_paused and self._transport:
            item = self._waiting.popleft()
            if isinstance(item, Response):
                self._last(item)
                return
            self._current = item
            self._application.answer(item, self._deliver)
        transport = self._transport
        if transport is None:
            return
        if self._continue_due and self._current is None and not self._waiting:
            self._continue_due = False
            self._write(_CONTINUE)
        crowded = len(self._waiting) >= _WAITING_LIMIT
        if crowded != self._reading_paused and not transport.is_closing():
            self._reading_paused = crowded
            (transport.pause_reading if crowded else transport.resume_reading)()

    def _deliver(self, response: Response) -> None:
        request, self._current = self._current, None
        transport = self._transport
        if request is None or transport is None:
            return  # the client has hung up: its answer is dropped, nobody else waits for it
        last = self._ended or self._application.draining
        keep = request.keep_alive and (bool(self._waiting) or not last)
        answer = message.encode(response, keep_alive=keep, head_only=request.method == "HEAD")
        if not transport.is_closing():
            transport.write(answer)
        self.active_at = self._loop.time()
        if not keep:
            self._close()
        elif self._waiting or self._continue_due or self._reading_paused:
            self._loop.call_soon(self._proceed)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _too_large(self) -> None:
        text = f"The body must not exceed {self._body_limit} bytes."
        self._refuse(message.error(413, text))

    def _refuse(self, response: Response) -> None:
        """Answer with *response* after what waits before it, then no more: the rest makes no sense."""
        self._deaf = True
        self._continue_due = False
        self._chunks.clear()
        self._waiting.append(response)

    def _last(self, response: Response) -> None:
        self._write(message.encode(response, keep_alive=False))
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.can_write_eof():
            transport.write_eof()
        self._loop.call_later(_LINGER_S, transport.close)

    def _close(self) -> None:
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has arrived that is not answered."""
        return self._current is None and not self._waiting and not self._partial

    @property
    def waits_for_client(self) -> bool:
        return self._current is None and not self._waiting

    def end(self) -> None:
        """Close the connection; what is written already still goes out."""
        self._close()
