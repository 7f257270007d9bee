"""Clients that never stop asking: how many of their requests failed, and how long was the longest silence?

They are threads of this process and ask 127.0.0.1 only; a load ends with its `with`.
"""

from __future__ import annotations

import http.client
import itertools
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

_TIMEOUT_S = 5.0


@dataclass
class Load:
    """*kept* clients keep their connection, *fresh* ones open one per request; together *per_s* requests a second.

    A request fails that is refused, reset, ends early, takes 5 s, or is not answered by 200. With *tls* they
    speak it, and verify who answers.
    """

    port: int
    path: str = "/"
    kept: int = 4
    fresh: int = 2
    per_s: float = 200.0
    body: bytes | None = None
    tls: ssl.SSLContext | None = None
    asked: int = 0
    failures: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _moments: list[float] = field(default_factory=list)
    _took: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock, self._over = threading.Lock(), threading.Event()
        clients = [True] * self.kept + [False] * self.fresh
        pause_s = len(clients) / self.per_s
        self._threads = [threading.Thread(target=self._ask_on, args=(keep, pause_s)) for keep in clients]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S + 1)

    def go_on(self, requests: int, *, within_s: float = 30.0) -> None:
        """Return after so many more answers or failures."""
        wanted, until = self.asked + requests, time.monotonic() + within_s
        while self.asked < wanted and time.monotonic() < until:
            self._over.wait(0.02)

    @property
    def longest_gap_s(self) -> float:
        """Between two answers, whoever got them."""
        moments = sorted(self._moments)
        return max((b - a for a, b in itertools.pairwise(moments)), default=0.0)

    @property
    def slowest_s(self) -> float:
        """Of the answered requests."""
        return max(self._took, default=0.0)

    @property
    def p99_s(self) -> float:
        """Of the answered requests' times."""
        return _p99(sorted(self._took))

    def p99_in(self, windows: list[tuple[float, float]]) -> tuple[float, float]:
        """The 99th percentile of requests answered within *windows* (of the monotonic clock), and of all others."""
        parts: dict[bool, list[float]] = {True: [], False: []}
        for at, took in zip(self._moments, self._took, strict=True):
            parts[any(began <= at <= ended for began, ended in windows)].append(took)
        inside, outside = (sorted(parts[which]) for which in (True, False))
        return _p99(inside), _p99(outside)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {why}" for why, count in Counter(self.failures).most_common(5))
        why = f" ({kinds})" if kinds else ""
        gap_ms = self.longest_gap_s * 1e3
        return f"{len(self.failures)} failed of {self.asked} requests{why}, longest gap {gap_ms:.0f} ms"

    def _ask_on(self, keep: bool, pause_s: float) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._over.is_set():
            began = time.monotonic()
            connection = connection or self._connection()
            said, why = self._ask(connection, keep=keep)
            with self._lock:
                self.asked += 1
                if why:
                    self.failures.append(why)
                else:
                    self.answers[said] += 1
                    self._moments.append(time.monotonic())
                    self._took.append(self._moments[-1] - began)
            if why or not keep:
                connection.close()
                connection = None
            self._over.wait(max(0.0, pause_s - (time.monotonic() - began)))
        if connection is not None:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S, context=self.tls)

    def _ask(self, connection: http.client.HTTPConnection, *, keep: bool) -> tuple[str, str]:
        try:
            headers = {} if keep else {"Connection": "close"}
            if self.body:
                headers["Content-Type"] = "application/json"
            connection.request("POST" if self.body else "GET", self.path, self.body, headers)
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return "", type(error).__name__
        if answer.status != http.client.OK:
            return "", str(answer.status)
        if answer.will_close:
            connection.close()  # the server's wish; the next request opens another
        return said, ""


def _p99(ordered: list[float]) -> float:
    return ordered[len(ordered) * 99 // 100] if ordered else 0.0
