"""A manifest too large for a twin lies elsewhere: is what lies there what the twin means?"""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from edgetender.codec import MAX_BYTES, sha256_hex
from edgetender.errors import LinkDown, ManifestInvalid, Problem
from edgetender.transports.iothub_twin import Reference
from edgetender.transports.tls import client_context

_OK = 200


def fetch(reference: Reference, ca: Path | None, *, timeout_s: float = 20.0) -> bytes:
    """Return the bytes at *reference*, at most MAX_BYTES. Raises LinkDown, ManifestInvalid for other bytes."""
    url = urlsplit(reference.url)
    where = (
        f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"  # a signature in the query is a secret
    )
    connection = http.client.HTTPSConnection(
        url.hostname or "", url.port, timeout=timeout_s, context=client_context(ca, None, None)
    )
    try:
        connection.request("GET", f"{url.path or '/'}{f'?{url.query}' if url.query else ''}")
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
    except (OSError, ssl.SSLError, http.client.HTTPException) as error:
        raise LinkDown(f"cannot fetch the manifest from {where}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != _OK:
        raise LinkDown(f"cannot fetch the manifest from {where}: it answers {answer.status} {answer.reason}")
    if sha256_hex(body) != reference.sha256:
        said = f"what lies at {where} has another digest ({sha256_hex(body)[:12]}…)"
        raise ManifestInvalid((Problem("deployment.sha256", "twin.digest", said),))
    return body
