"""What answers a request? Routes, the headers every answer carries, health and metrics. Event loop only."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgetender_scoring import __version__, message
from edgetender_scoring.cors import Cors
from edgetender_scoring.ids import IdSource, answer_ids, refusal
from edgetender_scoring.log import AccessLog
from edgetender_scoring.message import HTML, Request, Response
from edgetender_scoring.metrics import CONTENT_TYPE, Metrics
from edgetender_scoring.script import Outcome
from edgetender_scoring.settings import Settings
from edgetender_scoring.workers import Pool

Deliver = Callable[[Response], None]
Headers = tuple[tuple[str, str], ...]

_NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your"
    " spelling and try again."
)
_NOT_ALLOWED = "The method is not allowed for the requested URL."
_SCORING = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_READING = frozenset({"GET", "HEAD"})
_BOOL = {True: "True", False: "False"}


class Application:
    """Answers requests; scoring goes to the pool. *draining*: no longer ready, still answering."""

    def __init__(
        self, settings: Settings, pool: Pool, metrics: Metrics, access: AccessLog, *, raw: bool
    ) -> None:
        self._pool, self._metrics, self._access, self._raw = pool, metrics, access, raw
        self._cors = Cors(settings.cors_origins)
        self._ids = IdSource()
        version: Headers = (("x-ms-server-version", f"edgetender-scoring/{__version__}"),)
        self._version: Headers = version if settings.says_version else ()
        self.draining = False

    def answer(self, request: Request, deliver: Deliver) -> None:
        """Have *deliver* called once with the answer, at once or later, on the event loop."""
        match request.path:
            case b"/score":
                self._score(request, deliver)
            case b"/":
                deliver(self._healthy(request))
            case b"/v2/health/live":
                deliver(_state(request, "live", holds=True))
            case b"/v2/health/ready":
                deliver(_state(request, "ready", holds=self._pool.usable and not self.draining))
            case b"/metrics":
                deliver(self._figures(request))
            case _:
                deliver(self._note(request, message.error(404, _NOT_FOUND)))

    def _score(self, request: Request, deliver: Deliver) -> None:
        if request.method not in _SCORING:
            deliver(self._note(request, _not_allowed("GET, HEAD, OPTIONS, POST")))
            return
        preflight = request.method == "OPTIONS"
        common = self._version + self._cors.headers(request.origin, preflight=preflight)
        given = (request.request_id, request.ms_request_id, request.client_request_id)
        if why := refusal(*given):
            keeps = given[0] is not None and not why.startswith("x-request-id")
            own: Headers = (("x-request-id", given[0]),) if keeps and given[0] else ()
            refused = message.error(431, why, (*own, ("x-ms-run-function-failed", "False"), *common))
            deliver(self._count(request, refused))
            return
        common = self._identify(request) + common
        if preflight and not self._raw:
            failed = (("x-ms-run-function-failed", "False"),)
            deliver(self._note(request, Response(200, b"", HTML, failed + common)))
            return
        self._pool.submit(request, lambda outcome: deliver(self._scored(request, outcome, common)))

    def _scored(self, request: Request, outcome: Outcome, common: Headers) -> Response:
        own = (("x-ms-run-function-failed", _BOOL[outcome.failed]), *outcome.headers)
        if outcome.exec_ms is not None:
            own = (("x-ms-run-fn-exec-ms", f"{outcome.exec_ms:.3f}"), *own)
        return self._count(
            request, Response(outcome.status, outcome.body, outcome.content_type, own + common)
        )

    def _healthy(self, request: Request) -> Response:
        if request.method not in _READING:
            if request.method == "OPTIONS":
                return Response(200, b"", HTML, (("allow", "GET, HEAD, OPTIONS"),))
            return self._note(request, _not_allowed("GET, HEAD, OPTIONS"))
        if why := refusal(request.request_id, request.ms_request_id, request.client_request_id):
            return message.error(431, why, self._version)
        headers = self._identify(request) + self._version
        return Response(200, b"Healthy", HTML, headers + self._cors.headers(request.origin, preflight=False))

    def _identify(self, request: Request) -> Headers:
        ids = answer_ids(self._ids, request.request_id, request.ms_request_id, request.client_request_id)
        headers: Headers = (("x-request-id", ids.request), ("x-ms-request-id", ids.ms_request))
        if ids.client is not None:
            headers = (*headers, ("x-ms-client-request-id", ids.client))
        return headers if request.trace_id is None else (*headers, ("TraceId", request.trace_id))

    def _figures(self, request: Request) -> Response:
        if request.method not in _READING:
            return _not_allowed("GET, HEAD")
        pool = self._pool
        body = self._metrics.render(in_flight=pool.in_flight, threads=pool.threads, abandoned=pool.abandoned)
        return Response(200, body, CONTENT_TYPE)

    def _count(self, request: Request, response: Response) -> Response:
        self._metrics.scored(response.status, time.monotonic() - request.arrived)
        return self._note(request, response)

    def _note(self, request: Request, response: Response) -> Response:
        seconds = time.monotonic() - request.arrived
        self._access.note(request.method, request.path, response.status, seconds, len(response.body))
        return response


def _not_allowed(methods: str) -> Response:
    return message.error(405, _NOT_ALLOWED, (("allow", methods),))


def _state(request: Request, name: str, *, holds: bool) -> Response:
    if request.method not in _READING:
        return _not_allowed("GET, HEAD")
    return Response(200 if holds else 503, message.to_json({name: holds}))


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
            deliver(message.error(404, _NOT_FOUND))
