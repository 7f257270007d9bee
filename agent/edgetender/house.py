"""The daemon as its doors see it: reads what was published, or writes a wish down and wakes the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from edgetender.checks.checker import Checker
from edgetender.checks.finding import Result
from edgetender.clock import Clock
from edgetender.config.settings import Settings
from edgetender.decide.insight import insight
from edgetender.decide.intake import wanted
from edgetender.decide.planning import plan_document, questions
from edgetender.decide.replay import explained, facts_document
from edgetender.errors import AgentError, EngineDown, NotFound
from edgetender.eventlog import EventLog
from edgetender.model.hardware import Hardware
from edgetender.model.image import Surveyed
from edgetender.model.ledger import Decision, HistoryEntry
from edgetender.model.plan import Plan
from edgetender.model.target import ImageWanted, Target
from edgetender.ports import Engine, Store
from edgetender.publisher import Publisher


class DaemonHouse:
    """Implements `api.house.House`. Threads: any; none of its methods touches a container."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        store: Store,
        deliver: Callable[[str, str, bytes], int],
        survey: Callable[[Iterable[ImageWanted]], Surveyed],
        engine: Engine,
        publisher: Publisher,
        hardware: Callable[[], Hardware],
        exposition: Callable[[], bytes],
        trends: Callable[[], dict[str, Any]],
        log: Callable[[], Iterable[str]],
        wake: Callable[[], None],
        checker: Checker,
        events: EventLog,
    ) -> None:
        self._settings, self._clock, self._store, self._engine = settings, clock, store, engine
        self._publisher, self._hardware, self._exposition, self._wake = publisher, hardware, exposition, wake
        self._checker, self._events = checker, events
        self._deliver, self._trends, self._survey, self._log = deliver, trends, survey, log

    def status(self) -> dict[str, Any]:
        return self._publisher.status()

    def plan(self, body: bytes) -> dict[str, Any]:
        return self._plan(body)

    def plan_back(self, version: int | str | None) -> dict[str, Any]:
        versions = {entry.edition: entry for entry in self._store.history()}
        entry = wanted(version, self._store.ledger(), versions)
        if entry is None or not entry.body:
            which = f"version {version}" if version is not None else "an earlier version"
            raise NotFound(
                f"cannot roll back to {which}: not kept here; edgetender history says what there is"
            )
        return self._plan(entry.body.encode(), back=True)

    def _plan(self, body: bytes, *, back: bool = False) -> dict[str, Any]:
        snapshot = self._publisher.snapshot()
        observed = snapshot.observed if snapshot else None
        ledger, hardware = self._store.ledger(), self._hardware()
        asked = questions(body, ledger, hardware, observed)
        return plan_document(
            body,
            ledger,
            hardware,
            observed,
            self._settings.update.rules,
            self._clock.now(),
            self._survey(asked),
            self._free_bytes() if asked else None,
            back=back,
        )

    def _free_bytes(self) -> int | None:
        try:
            return self._engine.free_bytes()
        except AgentError:  # the plan is worth having without it
            return None

    def submit(self, kind: str, source: str, body: bytes) -> int:
        delivery = self._deliver(kind, source, body)
        self._wake()
        return delivery

    def decision(self, delivery: int) -> Decision | None:
        return self._store.decision(delivery)

    def history(self, limit: int) -> tuple[HistoryEntry, ...]:
        return self._store.history(limit)

    def hardware(self) -> Hardware:
        return self._hardware()

    def explain(self, module: str, body: bytes | None) -> dict[str, Any]:
        return explained(module, self._hardware(), self._store.ledger(), body)

    def saved_facts(self) -> dict[str, Any]:
        return facts_document(self._settings.device, self._hardware(), self._store.ledger())

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
        snapshot = self._publisher.snapshot()
        containers = snapshot.observed.of(module) if snapshot else ()
        if not containers and snapshot is not None and snapshot.observed.engine_down:
            raise EngineDown(f"cannot show logs of {module!r}: {snapshot.observed.engine_down}")
        if not containers:
            known = sorted(one["name"] for one in self._publisher.status()["modules"])
            if module in known:
                why = "it has no container yet; edgetender status says what it waits for"
            else:
                why = f"no such module here (there are: {', '.join(known) or 'none'})"
            raise NotFound(f"cannot show logs of {module!r}: {why}")
        newest = max(containers, key=lambda container: (container.running, container.version))
        wanted: dict[str, Any] = {"tail": tail, "since": since, "until": until}
        return self._engine.logs(newest.id, **wanted, timestamps=timestamps, follow=follow)

    def own_log(self) -> Iterable[str]:
        return self._log()

    def metrics(self) -> bytes:
        return self._exposition()

    def takes_orders(self) -> bool:
        return bool(self._settings.api.page_credential)

    def checks(self) -> tuple[tuple[Result, datetime], ...]:
        return self._checker.latest()

    def check(
        self, ids: Iterable[str], skipped: Iterable[str], *, fix: bool
    ) -> tuple[tuple[Result, datetime], ...]:
        return self._checker.run(ids, skipped, fix=fix)

    def events(self, limit: int, *, follow: bool, kind: str = "") -> Iterator[dict[str, Any]]:
        return self._events.follow(limit, kind) if follow else iter(self._events.recent(limit, kind))

    def trends(self) -> dict[str, Any]:
        return self._trends()

    def insight(self) -> dict[str, Any]:
        snapshot = self._publisher.snapshot()
        target, plan = (snapshot.target, snapshot.plan) if snapshot else (Target(), Plan())
        return insight(target, plan, self._hardware())

    def wait(self, turn: int, timeout_s: float) -> int:
        return self._events.wait(turn, timeout_s)

    def config(self) -> tuple[tuple[str, Any, str], ...]:
        return self._settings.entries()
