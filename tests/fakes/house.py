"""A daemon of one afternoon, for the doors: it says what it was told to say, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edgetender.checks.finding import Result
from edgetender.decide.replay import explained, facts_document
from edgetender.errors import AgentError, NotFound
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.ledger import Decision, HistoryEntry, Ledger
from edgetender.model.topics import is_of
from edgetender.trends import Trends
from tests.builders import answers
from tests.fakes.clock import FakeClock

HISTORY = (
    HistoryEntry(15, "line3", "c" * 64, "mqtt", datetime(2026, 11, 24, 11, 58, tzinfo=UTC), "applying"),
    HistoryEntry(
        14, "line3", "b" * 64, "cli (uid 0)", datetime(2026, 11, 24, 10, 0, tzinfo=UTC), "running",
        datetime(2026, 11, 24, 10, 1, tzinfo=UTC), "~scorer +ocr",
    ),
)  # fmt: skip
HARDWARE = Hardware(
    (
        Fact("arch", "arm64", "uname"),
        Fact("cpu_count", 8, "/proc/cpuinfo"),
        Fact("memory_bytes", 16 * 1024**3, "/proc/meminfo"),
        Fact("model", None, "device tree, DMI", "neither names the machine"),
        Fact("accelerator", "none", "/proc/driver/nvidia", "no NVIDIA driver, no NVIDIA device"),
    )
)


STAMP = "2026-11-24T11:59:00.123456789Z"  # what stands before each line, where that is asked for


class Following:
    """A log that goes on: says *lines*, then is silent until it is closed. Keeps what it promised of itself."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._lines:
            return self._lines.pop(0)
        self.closed.wait()
        raise StopIteration

    def close(self) -> None:
        self.closed.set()


@dataclass
class FakeHouse:
    """Keeps `api.house.House`. *statuses* are answered one after the other, the last one from then on.

    *errors* are raised by the method they are named after. Threads: as many as the server has.
    """

    statuses: list[dict[str, Any]] = field(default_factory=lambda: [answers.status(answers.module())])
    planned: dict[str, Any] = field(default_factory=answers.plan)
    decisions: dict[int, Decision] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)  # module -> lines
    entries: tuple[HistoryEntry, ...] = HISTORY
    facts: Hardware = HARDWARE
    ledger: Ledger = field(default_factory=Ledger)
    found: tuple[tuple[Result, datetime], ...] = ()
    happened: list[dict[str, Any]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    insights: dict[str, Any] = field(
        default_factory=lambda: {"plan": {"steps": [], "held": []}, "variants": [], "hardware": []}
    )
    orders: bool = False  # whether the page gives any
    fared: dict[str, Any] = field(default_factory=lambda: Trends(FakeClock()).document())
    turn: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    submitted: list[tuple[str, str, bytes]] = field(default_factory=list)

    def renew(self) -> FakeHouse:
        """As at first: for the next test behind the same server."""
        self.__init__()  # type: ignore[misc]
        return self

    def status(self) -> dict[str, Any]:
        self._raise("status")
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def plan(self, body: bytes) -> dict[str, Any]:
        self._raise("plan")
        self.asked.append(("plan", body))
        return self.planned

    def plan_back(self, version: int | str | None) -> dict[str, Any]:
        self._raise("plan_back")
        self.asked.append(("plan_back", version))
        return self.planned

    def submit(self, kind: str, source: str, body: bytes) -> int:
        self._raise("submit")
        self.submitted.append((kind, source, body))
        return len(self.submitted)

    def decision(self, delivery: int) -> Decision | None:
        return self.decisions.get(delivery)

    def history(self, limit: int) -> tuple[HistoryEntry, ...]:
        return self.entries[:limit]

    def hardware(self) -> Hardware:
        return self.facts

    def explain(self, module: str, body: bytes | None) -> dict[str, Any]:
        self._raise("explain")
        return explained(module, self.facts, self.ledger, body)

    def saved_facts(self) -> dict[str, Any]:
        return facts_document("line3-cam7", self.facts, self.ledger)

    def logs(
        self,
        module: str,
        *,
        tail: int | None,
        since: datetime | None,
        follow: bool,
        until: datetime | None = None,
        timestamps: bool = False,
    ) -> Iterator[str]:
        self.asked.append(("logs", module, tail, since, follow, *([until] if until else [])))
        if module not in self.said:
            raise NotFound(f"cannot show logs of {module!r}: no such module here (there are: scorer)")
        lines = iter(self.said[module])  # as it is: who reads may close it
        return (f"{STAMP} {line}" for line in lines) if timestamps else lines

    def own_log(self) -> Iterable[str]:
        return self.logged

    def metrics(self) -> bytes:
        return b"edgetender_up 1.0\n"

    def checks(self) -> tuple[tuple[Result, datetime], ...]:
        return self.found

    def check(
        self, ids: Iterable[str], skipped: Iterable[str], *, fix: bool
    ) -> tuple[tuple[Result, datetime], ...]:
        self._raise("check")
        self.asked.append(("check", list(ids), list(skipped), fix))
        return self.found

    def events(self, limit: int, *, follow: bool, kind: str = "") -> Iterator[dict[str, Any]]:
        self.asked.append(("events", limit, follow, kind))
        chosen = [event for event in self.happened if is_of(event["type"], kind)]
        return iter(chosen[-limit:] if limit else ())

    def trends(self) -> dict[str, Any]:
        self._raise("trends")
        return self.fared

    def takes_orders(self) -> bool:
        return self.orders

    def insight(self) -> dict[str, Any]:
        return self.insights

    def wait(self, turn: int, timeout_s: float) -> int:
        with self.changed:
            self.changed.wait_for(lambda: self.turn != turn, timeout_s)
            return self.turn

    def change(self) -> None:
        """Something is worth another look."""
        with self.changed:
            self.turn += 1
            self.changed.notify_all()

    def config(self) -> tuple[tuple[str, Any, str], ...]:
        return (("device", "line3-cam7", "/etc/edgetender/config.toml:1"), ("pull.concurrent", 2, "default"))

    def _raise(self, name: str) -> None:
        if name in self.errors:
            raise self.errors[name]


def breaking(*lines: str, error: AgentError) -> Iterator[str]:
    """A log that ends with *error*."""
    yield from lines
    raise error
