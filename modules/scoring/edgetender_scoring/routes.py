"""What answers a request? Routes, health and metrics; scoring goes to the pool. Event loop only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from edgetender_scoring import message
from edgetender_scoring.collector import Collector
from edgetender_scoring.envelope import NOT_FAILED, Envelope
from edgetender_scoring.keys import Keys
from edgetender_scoring.log import AccessLog
from edgetender_scoring.message import HTML, Request, Response
from edgetender_scoring.metrics import CONTENT_TYPE, Metrics, Named
from edgetender_scoring.outcome import Outcome
from edgetender_scoring.served import Served
from edgetender_scoring.unpacking import ENCODINGS, UNKNOWN, Unpacker
from edgetender_scoring.v2_routes import OpenInference
from edgetender_scoring.workers import Pool

if TYPE_CHECKING:  # few ask for spans, and what sends them takes memory
    from edgetender_scoring.spans import Spans

Deliver = Callable[[Response], None]

_NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your"
    " spelling and try again."
)
_NOT_ALLOWED = "The method is not allowed for the requested URL."
_SCORING = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_OPEN = frozenset({b"/", b"/v2/health/live", b"/v2/health/ready"})
_TRACED = (b"/score", b"/v2/models/")
_READING = frozenset({"GET", "HEAD"})


class Application:
    """Answers requests. *draining*: no longer ready, still answering."""

    def __init__(
        self,
        envelope: Envelope,
        served: Served,
        pool: Pool,
        metrics: Metrics,
        access: AccessLog,
        keys: Keys | None = None,
        collectors: Sequence[Collector] = (),
        body_limit: int = 100_000_000,
        spans: Spans | None = None,
    ) -> None:
        self._envelope, self._served, self._pool = envelope, served, pool
        self._metrics, self._access = metrics, access
        self._keys, self._collectors, self._spans = keys, collectors, spans
        self._unpacker = Unpacker(body_limit)
        self._v2 = OpenInference(served, pool, self.ready, self._inferred)
        self.draining = False

    def answer(self, request: Request, deliver: Deliver) -> None:
        """Have *deliver* called once with the answer, at once or later, on the event loop."""
        if self._spans is not None and request.path.startswith(_TRACED):
            self._spans.enter(request)
        if self._keys is not None and not self._admits(request):
            deliver(self._note(request, _locked(request)))
            return
        if request.encoding and not (self._served.raw and request.path == b"/score"):
            self._unpack(request, deliver)  # scripts that take the request itself take it as it is
        else:
            self._route(request, deliver)

    def _unpack(self, request: Request, deliver: Deliver) -> None:
        def unpacked(outcome: Outcome) -> None:
            if outcome.status == 200:  # noqa: PLR2004  it holds what was asked
                self._route(request, deliver)
                return
            headers = (
                NOT_FAILED if outcome.status != UNKNOWN else (*NOT_FAILED, ("accept-encoding", ENCODINGS))
            )
            body = outcome.body
            if request.path.startswith(b"/v2"):
                body = message.to_json({"error": json.loads(body)["message"]})
            deliver(self._count(request, Response(outcome.status, body, headers=headers)))

        self._pool.submit(self._unpacker, request, unpacked)

    def _route(self, request: Request, deliver: Deliver) -> None:
        match request.path:
            case b"/score":
                self._score(request, deliver)
            case b"/":
                deliver(self._read(request, self._healthy))
            case b"/metrics":
                deliver(self._figures(request))
            case b"/health/hardware":
                self._hardware(request, deliver)
            case b"/swagger.json":
                deliver(self._note(request, self._read(request, self._described)))
            case path if path.startswith(b"/v2/") or path == b"/v2":
                self._v2.answer(request, deliver)
            case _:
                deliver(self._note(request, message.error(404, _NOT_FOUND, NOT_FAILED)))

    def _admits(self, request: Request) -> bool:
        """Health is open to all; so is a preflight, which carries no key, unless a script would answer it."""
        if request.path in _OPEN or (request.method == "OPTIONS" and not self._served.raw):
            return True
        return self._keys is None or self._keys.admits(request)

    def ready(self) -> bool:
        """Whether it can score: loaded, warm, proven, with a thread free of stuck calls, and not stopping."""
        return self._served.ready and self._pool.usable and not self.draining

    def _score(self, request: Request, deliver: Deliver) -> None:
        if request.method not in _SCORING:
            deliver(self._note(request, _not_allowed("GET, HEAD, OPTIONS, POST")))
            return
        common = self._envelope.headers(request)
        if isinstance(common, Response):
            deliver(self._count(request, common))
            return
        handler = self._served.score
        if request.method in {"OPTIONS", "HEAD"} and not self._served.raw:
            if request.method == "OPTIONS":
                deliver(self._note(request, Response(200, b"", HTML, NOT_FAILED, common)))
            else:
                deliver(self._note(request, message.error(405, "Method not allowed", NOT_FAILED, common)))
            return
        if handler is None:
            deliver(
                self._count(
                    request, message.error(self._served.absent, self._served.why_not, NOT_FAILED, common)
                )
            )
            return
        self._pool.submit(handler, request, lambda outcome: deliver(self._scored(request, outcome, common)))

    def _scored(self, request: Request, outcome: Outcome, common: str) -> Response:
        named = self._served.named
        for collector in self._collectors:
            collector.note(request, outcome.status, outcome.body, *(named or ("", "")))
        ran = "" if outcome.exec_ms is None else f"x-ms-run-fn-exec-ms: {outcome.exec_ms:.3f}\r\n"
        failed = "True" if outcome.failed else "False"  # a bool takes its time to become a word
        block = f"{ran}x-ms-run-function-failed: {failed}\r\n{common}"
        response = Response(outcome.status, outcome.body, outcome.content_type, outcome.headers, block)
        return self._count(request, response, named)

    def _read(self, request: Request, what: Callable[[Request, str], Response]) -> Response:
        """A page that is only read: the same for GET and HEAD, its methods for OPTIONS."""
        if request.method not in _READING and request.method != "OPTIONS":
            return self._note(request, _not_allowed("GET, HEAD, OPTIONS"))
        common = self._envelope.headers(request)
        if isinstance(common, Response):
            return common
        if request.method == "OPTIONS":
            return Response(200, b"", HTML, (("allow", "GET, HEAD, OPTIONS"),), common)
        return what(request, common)

    def _healthy(self, _request: Request, common: str) -> Response:
        if not self._served.ready and self._served.absent != 404:  # noqa: PLR2004  nothing to score is healthy
            return message.error(503, self._served.why_not, block=common)
        return Response(200, b"Healthy", HTML, block=common)

    def _described(self, request: Request, common: str) -> Response:
        asked = parse_qs(request.query.decode("latin-1"), keep_blank_values=True).get("version", ["2"])[0]
        if self._served.swagger is None:
            return message.error(self._served.absent, self._served.why_not, NOT_FAILED, common)
        found, why_not = self._served.swagger.document(asked)
        if found is None:
            return message.error(404, why_not, NOT_FAILED, common)
        return Response(200, found, headers=NOT_FAILED, block=common)

    def _hardware(self, request: Request, deliver: Deliver) -> None:
        """Where the model runs and whether it answers rightly: measured now, on a scoring thread."""
        served = self._served
        if request.method not in _READING:
            deliver(self._note(request, _not_allowed("GET, HEAD")))
        elif served.hardware is None:
            status, why = served.absent, served.why_not
            if served.score is not None:
                status, why = 404, "Only the entry script knows where its model runs."
            deliver(self._note(request, message.error(status, why)))
        else:
            self._pool.submit(
                served.hardware,
                request,
                lambda out: deliver(self._note(request, Response(out.status, out.body, out.content_type))),
            )

    def _figures(self, request: Request) -> Response:
        if request.method not in _READING:
            return _not_allowed("GET, HEAD")
        pool = self._pool
        body = self._metrics.render(
            in_flight=pool.in_flight,
            queued=pool.queued,
            threads=pool.threads,
            abandoned=pool.abandoned,
            collectors=self._collectors,
            spans=self._spans,
            named=self._served.named,
            models=[] if self._served.repository is None else self._served.repository.models,
        )
        return Response(200, body, CONTENT_TYPE)

    def _inferred(self, request: Request, response: Response, model: str, version: str) -> Response:
        for collector in self._collectors:
            collector.note(request, response.status, response.body, model, version)
        return self._count(request, response, (model, version))

    def _count(self, request: Request, response: Response, named: Named | None = None) -> Response:
        seconds = time.monotonic() - request.arrived
        self._metrics.scored(response.status, seconds, named)
        if self._spans is not None:
            self._spans.leave(request, response.status, seconds, named)
        self._access.note(request, response, seconds)
        return response

    def _note(self, request: Request, response: Response) -> Response:
        self._access.note(request, response, time.monotonic() - request.arrived)
        return response


def _locked(request: Request) -> Response:
    headers = (("www-authenticate", "Bearer"),)
    if request.path.startswith(b"/v2"):
        return Response(401, message.to_json({"error": "a valid bearer key is needed"}), headers=headers)
    return message.error(401, "A valid bearer key is needed.", (*headers, *NOT_FAILED))


def _not_allowed(methods: str) -> Response:
    return message.error(405, _NOT_ALLOWED, (("allow", methods), *NOT_FAILED))


class HealthOnly:
    """The second listener of `SEPERATE_HEALTH_ENDPOINT`: it answers `/` as the first does, nothing else."""

    def __init__(self, application: Application) -> None:
        self._application = application

    @property
    def draining(self) -> bool:
        return self._application.draining

    def answer(self, request: Request, deliver: Deliver) -> None:
        if request.path == b"/":
            self._application.answer(request, deliver)
        else:
            deliver(message.error(404, _NOT_FOUND, NOT_FAILED))
