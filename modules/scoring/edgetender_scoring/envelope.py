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
    """Makes the headers common to the contract's answers."""

    def __init__(self, *, cors_origins: str, says_version: bool) -> None:
        self._cors = Cors(cors_origins)
        self._ids = IdSource()
        version: Headers = (("x-ms-server-version", f"edgetender-scoring/{__version__}"),)
        self._version: Headers = version if says_version else ()
        self._has_warned = False

    def headers(self, request: Request) -> Headers | Response:
        """Return the headers for an answer to *request*, or why its ids cannot be taken (431)."""
        given, ms_given, client_given = request.request_id, request.ms_request_id, request.client_request_id
        if ms_given and not self._has_warned:
            self._has_warned = True
            log.warning(_DEPRECATED)
        common = self._version + self._cors.headers(request)
        if why := refusal(given, ms_given, client_given):
            too_long = why.startswith("x-request-id")
            kept: Headers = () if too_long else (("x-request-id", given or self._ids.new()),)
            return message.error(431, why, (*kept, *NOT_FAILED, *common))
        ids = answer_ids(self._ids, given, ms_given, client_given)
        request.request_id = ids.request  # what is recorded of the request goes by it
        headers: Headers = (("x-request-id", ids.request), ("x-ms-request-id", ids.ms_request), *common)
        if ids.client is not None:
            headers = (*headers, ("x-ms-client-request-id", ids.client))
        return headers if request.trace_id is None else (*headers, ("TraceId", request.trace_id))
