"""Which headers does every answer of the contract carry? Ids, version, CORS. Event loop only."""

from __future__ import annotations

import logging

from edgetender_scoring import __version__, message
from edgetender_scoring.cors import Cors, Headers
from edgetender_scoring.ids import IdSource, answer_ids, refusal
from edgetender_scoring.message import Request, Response

log = logging.getLogger("edgetender_scoring")

NOT_FAILED: Headers = (("x-ms-run-function-failed", "False"),)
_DEPRECATED = "x-ms-request-id in requests is deprecated; send x-ms-client-request-id"


class Envelope:
    """Makes the headers common to the contract's answers, as the lines they are sent as."""

    def __init__(self, *, cors_origins: str, says_version: bool) -> None:
        self._cors = Cors(cors_origins)
        self._ids = IdSource()
        self._version = f"x-ms-server-version: edgetender-scoring/{__version__}\r\n" if says_version else ""
        self._has_warned = False

    def headers(self, request: Request) -> str | Response:
        """Return the headers for an answer to *request*, or why its ids cannot be taken (431)."""
        common = self._version
        if self._cors.on:
            common += message.lines(self._cors.headers(request))
        if not request.marked:
            request.request_id = own = self._ids.new()
            return f"x-request-id: {own}\r\nx-ms-request-id: {own}\r\n{common}"
        given, ms_given, client_given = request.request_id, request.ms_request_id, request.client_request_id
        if ms_given and not self._has_warned:
            self._has_warned = True
            log.warning(_DEPRECATED)
        if why := refusal(given, ms_given, client_given):
            too_long = why.startswith("x-request-id")
            kept: Headers = () if too_long else (("x-request-id", given or self._ids.new()),)
            return message.error(431, why, (*kept, *NOT_FAILED), common)
        ids = answer_ids(self._ids, given, ms_given, client_given)
        request.request_id = ids.request  # what is recorded of the request goes by it
        block = f"x-request-id: {ids.request}\r\nx-ms-request-id: {ids.ms_request}\r\n{common}"
        if ids.client is not None:
            block += f"x-ms-client-request-id: {ids.client}\r\n"
        return block if request.trace_id is None else f"{block}TraceId: {request.trace_id}\r\n"
