"""May a page of this origin read the answer? The headers say so; the call itself runs either way."""

from __future__ import annotations

_METHODS = "GET, POST"


class Cors:
    """The rule made from `AML_CORS_ORIGINS`: empty, a comma list, or `*`."""

    def __init__(self, origins: str) -> None:
        self._origins = tuple(part.strip() for part in origins.split(",") if part.strip())

    def headers(self, origin: str | None, *, preflight: bool) -> tuple[tuple[str, str], ...]:
        """Return the headers for an answer to *origin* (None: the request named none)."""
        if not self._origins:
            return ()
        if "*" in self._origins:
            allowed = origin or "*"
        elif origin is None:
            allowed = self._origins[0]
        elif origin in self._origins:
            allowed = origin
        else:
            return (("vary", "Origin"),)
        headers = (("access-control-allow-origin", allowed), ("vary", "Origin"))
        return (*headers, ("access-control-allow-methods", _METHODS)) if preflight else headers
