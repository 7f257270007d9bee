"""May a page of this origin read the answer? The headers say so; the call itself runs either way."""

from __future__ import annotations

from edgetender_scoring.message import Request, sendable

_METHODS = "GET, POST"

Headers = tuple[tuple[str, str], ...]


class Cors:
    """The rule made from `AML_CORS_ORIGINS`: empty, a comma list, or `*`."""

    def __init__(self, origins: str) -> None:
        self._origins = tuple(part.strip() for part in origins.split(",") if part.strip())

    @property
    def on(self) -> bool:
        """Whether any origin is named at all."""
        return bool(self._origins)

    def headers(self, request: Request) -> Headers:
        """Return the headers for an answer to *request*; a preflight is told what it may send."""
        if not self._origins:
            return ()
        origin = request.origin
        if "*" in self._origins:
            allowed = origin or "*"
        elif origin is None:
            allowed = self._origins[0]
        elif origin in self._origins:
            allowed = origin
        else:
            return (("vary", "Origin"),)
        headers: Headers = (("access-control-allow-origin", allowed), ("vary", "Origin"))
        return headers + _leave(request) if request.method == "OPTIONS" else headers


def _leave(request: Request) -> Headers:
    """What the page may send, where it asks."""
    if not request.header(b"access-control-request-method"):
        return ()
    wanted = request.header(b"access-control-request-headers")
    names = ", ".join(sorted(part.strip() for part in wanted.split(",") if part.strip()))
    methods: Headers = (("access-control-allow-methods", _METHODS),)
    if not names or not sendable("access-control-allow-headers", names):
        return methods
    return (*methods, ("access-control-allow-headers", names))
