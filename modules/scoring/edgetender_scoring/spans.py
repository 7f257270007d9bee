"""How does a trace go on here? A span for each scored request, to an OpenTelemetry collector: OTLP/HTTP as JSON."""

from __future__ import annotations

import http.client
import json
import logging
import os
import ssl
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from edgetender_scoring import __version__
from edgetender_scoring.message import Request, Span
from edgetender_scoring.trace import Tracing, context

log = logging.getLogger("edgetender_scoring")

_PERIOD_S, _TIMEOUT_S, _END_S = 5.0, 10.0, 2.0
_BATCH, _WAITING = 512, 4096
_SERVER, _ERROR = 2, 2  # OTLP's kind of span, and status
_FAILED, _OK = 500, 200


class Spans:
    """`enter` and `leave` on the event loop; a thread sends. A collector that is away costs the spans of that time."""

    def __init__(self, what: Tracing) -> None:
        self._what = what
        self._tls = ssl.create_default_context(cafile=what.ca) if what.url.startswith("https:") else None
        self._waiting: deque[dict[str, Any]] = deque()
        self._due, self._ending = threading.Event(), threading.Event()
        self._well = True
        self.sent = self._lost = self._refused = 0
        self._thread = threading.Thread(target=self._work, name="spans", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans that no collector got."""
        return self._lost + self._refused

    def enter(self, request: Request) -> None:
        """Take up the caller's trace, or begin one, if it is to be recorded: what the script asks for is ours then."""
        given = context(request.traceparent) if request.traceparent is not None else None
        trace = given.trace if given is not None else os.urandom(16).hex()
        if not (given.sampled if given is not None and self._what.follows else self._drawn(trace)):
            return
        request.span = Span(trace, os.urandom(8).hex(), given.span if given is not None else "")
        request.traceparent = f"00-{trace}-{request.span.id}-01"
        others = [one for one in request.headers if one[0].lower() != b"traceparent"]
        request.headers = [*others, (b"traceparent", request.traceparent.encode())]

    def leave(self, request: Request, status: int, seconds: float, named: tuple[str, str] | None) -> None:
        """Have the request's span sent, which ends now and began *seconds* ago."""
        span = request.span
        if span is None:
            return
        if len(self._waiting) >= _WAITING:
            self._refused += 1
            return
        ended, path = time.time_ns(), request.path.decode("latin-1")
        about: dict[str, Any] = {
            "traceId": span.trace,
            "spanId": span.id,
            "name": f"{request.method} {path}",
            "kind": _SERVER,
            "startTimeUnixNano": str(ended - int(seconds * 1e9)),
            "endTimeUnixNano": str(ended),
            "attributes": [
                _text("http.request.method", request.method),
                _text("url.path", path),
                {"key": "http.response.status_code", "value": {"intValue": str(status)}},
                *([_text("http.request.header.x-request-id", request.request_id)] if request.request_id else []),
                *([_text("model.name", named[0]), _text("model.version", named[1])] if named else []),
            ],
            "status": {"code": _ERROR} if status >= _FAILED else {},
        }  # fmt: skip
        if span.parent:
            about["parentSpanId"] = span.parent
        if state := request.header(b"tracestate"):
            about["traceState"] = state
        self._waiting.append(about)
        if len(self._waiting) >= _BATCH:
            self._due.set()

    def close(self) -> None:
        """Send what waits, for a short time."""
        self._ending.set()
        self._due.set()
        self._thread.join(_END_S)

    def _drawn(self, trace: str) -> bool:
        """By the trace's id: all who see it, and draw with the same ratio, decide alike."""
        return int(trace[16:], 16) < self._what.ratio * 2**64

    def _work(self) -> None:
        while not self._ending.is_set():
            self._due.wait(_PERIOD_S)
            self._due.clear()
            while self._waiting:
                self._export([self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))])

    def _export(self, spans: list[dict[str, Any]]) -> None:
        try:
            why = self._post(self._document(spans))
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
        if why is None:
            self.sent += len(spans)
        else:
            self._lost += len(spans)
        if (why is None) != self._well:
            self._well = why is None
            if why is None:
                log.warning("spans are exported again")
            else:
                log.warning("cannot export spans: %s; goes on trying", why)

    def _document(self, spans: list[dict[str, Any]]) -> bytes:
        scope = {"name": "edgetender_scoring", "version": __version__}
        resource = {"attributes": [_text(*pair) for pair in self._what.resource]}
        scoped = [{"scope": scope, "spans": spans}]
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scoped}]}).encode()

    def _post(self, body: bytes) -> str | None:
        """Send *body*; return why it was not taken. Raises OSError, HTTPException."""
        parts = urlsplit(self._what.url)
        if self._tls is None:
            to = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)
        else:
            to = http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT_S, context=self._tls)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        try:
            to.request("POST", path, body, {"Content-Type": "application/json", **dict(self._what.headers)})
            answer = to.getresponse()
            answer.read()
        finally:
            to.close()
        return None if answer.status == _OK else f"{answer.status} {answer.reason}"


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
