"""How many requests did each module get, and how many failed? Pure: from what the fronts count of each container.

A container's count ends with it, and a front's with the front; the module's goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgetender.model.figures import Served
from edgetender.model.front import FrontServer, FrontState

Counts = tuple[int, int]  # requests, errors


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted at the look before, by module: of each of its containers, and in all; *at*, in seconds."""

    seen: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    totals: Mapping[str, Counts] = field(default_factory=dict)
    at: float | None = None


def served(tally: Tally, fronts: Iterable[FrontState], at: float) -> tuple[Tally, dict[str, Served]]:
    """The tally with *fronts* as they are, and each module's figures; a module whose front cannot count has none."""
    seen, totals, figures = {}, {}, {}
    for front in fronts:
        before, total = tally.seen.get(front.module, {}), tally.totals.get(front.module, (0, 0))
        now = {one.container: _counts(one) for one in front.servers if one.requests is not None}
        if now:
            new = _grown(before, now)
            span_s = at - tally.at if tally.at is not None and before else 0.0
            total = (total[0] + new[0], total[1] + new[1])
            per_s = [round(count / span_s, 3) if span_s > 0 else 0.0 for count in new]
            first = front.server(front.target.container) if front.target else None
            mean_ms, p95_ms = (first.mean_ms, first.p95_ms) if first else (None, None)
            figures[front.module] = Served(total[0], total[1], per_s[0], per_s[1], mean_ms, p95_ms)
        seen[front.module], totals[front.module] = now or before, total
    return Tally(seen, totals, at), figures


def _grown(before: Mapping[str, Counts], now: Mapping[str, Counts]) -> Counts:
    """How much was counted since *before*. A count that fell began again, with its front."""
    requests = errors = 0
    for container, counts in now.items():
        then = before.get(container, (0, 0))
        begun_again = counts[0] < then[0]
        requests += counts[0] - (0 if begun_again else then[0])
        errors += counts[1] - (0 if begun_again else min(then[1], counts[1]))
    return requests, errors


def _counts(server: FrontServer) -> Counts:
    return server.requests or 0, server.errors or 0
