"""Do requests fare worse with the candidate than with the version before it? Pure: from the front's own figures."""

from __future__ import annotations

from edgetender.model.front import FrontState

ENOUGH_REQUESTS = 20  # fewer say nothing
ENOUGH_ERRORS = 5
BAD_RATIO = 0.05
TIMES_WORSE = 3.0


def worse(front: FrontState) -> str | None:
    """Why the container that receives requests now is worse than those it replaced; None while it is not.

    Errors are answers with 5xx and connections that failed. Without a predecessor behind the same front, or
    without figures, there is nothing to compare.
    """
    new = front.server(front.target.container) if front.target is not None else None
    before = [server for server in front.servers if new is not None and server.container != new.container]
    if new is None or not before or not new.requests or new.errors is None:
        return None
    if new.requests < ENOUGH_REQUESTS or new.errors < ENOUGH_ERRORS:
        return None
    ratio = new.errors / new.requests
    asked = sum(server.requests or 0 for server in before)
    ratio_before = sum(server.errors or 0 for server in before) / asked if asked else 0.0
    if ratio < BAD_RATIO or ratio <= TIMES_WORSE * ratio_before:
        return None
    return f"{new.errors} of {new.requests} requests failed, with the version before it {ratio_before:.1%}"
