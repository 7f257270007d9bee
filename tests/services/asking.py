"""One question to a host port: who are you?"""

from __future__ import annotations

import http.client


def env_at(port: int) -> dict[str, str] | None:
    """The environment of the probe image's container behind *port*; None when none answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/cgi-bin/env")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return None
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
