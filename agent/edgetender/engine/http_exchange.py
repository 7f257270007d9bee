"""Sends a container one request of its proof and brings the answer back, timed."""

from __future__ import annotations

import http.client
import time

from edgetender.engine.http_deadline import DeadlineConnection
from edgetender.engine.http_probe import plain_words

_MOST = 4 * 1024 * 1024


def http_exchange(
    address: str, port: int, method: str, path: str, body: bytes, timeout_s: float
) -> tuple[int, bytes, float, str]:
    """(status, body, seconds, why there was no answer). Never raises."""
    connection = DeadlineConnection(address, port, timeout_s)
    headers = {"User-Agent": "edgetender", "Connection": "close"}
    if body:
        headers["Content-Type"] = "application/json"
    began = time.monotonic()
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST), time.monotonic() - began, ""
    except (OSError, http.client.HTTPException) as error:
        return 0, b"", time.monotonic() - began, plain_words(error)
    finally:
        connection.close()
