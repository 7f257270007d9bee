"""What has been scored, how fast, and how is that shown to Prometheus? Written by the event loop only."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of /score; rendered in Prometheus' text format."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._codes: Counter[int] = Counter()
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._sum_s = 0.0

    def scored(self, status: int, seconds: float) -> None:
        """Count one answer of /score, *seconds* after its request was complete."""
        self._codes[status] += 1
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._sum_s += seconds

    def render(self, *, in_flight: int, threads: int, abandoned: int) -> bytes:
        lines = [
            "# HELP edgetender_scoring_info The server that answers.",
            "# TYPE edgetender_scoring_info gauge",
            f'edgetender_scoring_info{{version="{self._version}"}} 1',
            "# HELP edgetender_scoring_requests_total Answers of /score by status code.",
            "# TYPE edgetender_scoring_requests_total counter",
        ]
        lines += [
            f'edgetender_scoring_requests_total{{code="{code}"}} {count}'
            for code, count in sorted(self._codes.items())
        ]
        lines += [
            "# HELP edgetender_scoring_duration_seconds From a whole request of /score to its answer.",
            "# TYPE edgetender_scoring_duration_seconds histogram",
        ]
        below = 0
        for bound, count in zip(_BOUNDS, self._buckets, strict=False):
            below += count
            lines.append(f'edgetender_scoring_duration_seconds_bucket{{le="{bound}"}} {below}')
        total = below + self._buckets[-1]
        lines += [
            f'edgetender_scoring_duration_seconds_bucket{{le="+Inf"}} {total}',
            f"edgetender_scoring_duration_seconds_sum {self._sum_s:.6f}",
            f"edgetender_scoring_duration_seconds_count {total}",
            "# HELP edgetender_scoring_in_flight Requests taken and not yet answered.",
            "# TYPE edgetender_scoring_in_flight gauge",
            f"edgetender_scoring_in_flight {in_flight}",
            "# HELP edgetender_scoring_threads Threads that call run().",
            "# TYPE edgetender_scoring_threads gauge",
            f"edgetender_scoring_threads {threads}",
            "# HELP edgetender_scoring_threads_abandoned Threads stuck in a run() past its time limit.",
            "# TYPE edgetender_scoring_threads_abandoned gauge",
            f"edgetender_scoring_threads_abandoned {abandoned}",
            "",
        ]
        return "\n".join(lines).encode()
