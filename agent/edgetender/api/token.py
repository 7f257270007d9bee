"""Who may give an order by the page? Whoever shows its token, and not from a page of somebody else."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from edgetender.secret import Secret

_SCHEME = "Bearer "


def shows(token: Secret, headers: Mapping[str, str]) -> bool:
    """Whether *headers* have it. A foreign page cannot set this header: nobody here allows it to."""
    said = headers.get("authorization", "")
    given = said.removeprefix(_SCHEME) if said.startswith(_SCHEME) else ""
    return hmac.compare_digest(given.encode(), token.reveal().encode())


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin asks."""
    origin = headers.get("origin")
    return origin is not None and origin.lower() != f"http://{headers.get('host', '')}".lower()
