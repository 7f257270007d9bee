"""Asks a container over HTTP whether it can serve."""

from __future__ import annotations

import http.client

from edgetender.engine.http_deadline import DeadlineConnection


def http_probe(address: str, port: int, path: str, timeout_s: float) -> str | None:
    """Return None for a 2xx or 3xx answer within *timeout_s*, else why not. Never raises."""
    connection = DeadlineConnection(address, port, timeout_s)
    try:
        connection.request("GET", path, headers={"User-Agent": "edgetender", "Connection": "close"})
        status = connection.getresponse().status
    except TimeoutError:
        return f"no answer from port {port} within {timeout_s:g} s"
    except (OSError, http.client.HTTPException) as error:
        return f"port {port}: {plain_words(error)}"
    finally:
        connection.close()
    return None if 200 <= status < 400 else f"GET {path} on port {port} answered {status}"  # noqa: PLR2004


def plain_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
