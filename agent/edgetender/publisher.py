"""Tells the world what a cycle found: the snapshot, the reported document, events, the log, systemd."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from edgetender import __version__
from edgetender.clock import Clock
from edgetender.codec import canonical
from edgetender.decide.compact import birth_document, compact_facts, labels, verdict_codes
from edgetender.decide.documents import reported_document, status_document
from edgetender.decide.events import events_between, refusals
from edgetender.decide.reporting import ModuleReport, health_word, module_reports
from edgetender.eventlog import EventLog
from edgetender.model.figures import CycleFigures, ModuleFigures
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed, PullProgress
from edgetender.model.signed import Root
from edgetender.model.target import Target
from edgetender.model.topics import BIRTH, REPORTED, EventKind
from edgetender.model.upstream import Link
from edgetender.ports import Outbox
from edgetender.reconciler import Cycle
from edgetender.snapshot import Snapshot

log = logging.getLogger(__name__)


class Gauges(Protocol):
    """The metrics, as a cycle moves them."""

    def cycle(self, figures: CycleFigures) -> None: ...

    def engine(self, *, up: bool, health: str) -> None:
        """What of the last cycle's figures is otherwise by now."""
        ...


class Publisher:
    """Threads: `publish` is called by the reconciler after each cycle, everything else from any."""

    def __init__(
        self,
        *,
        device: str,
        clock: Clock,
        outbox: Outbox,
        link: Callable[[], Link],
        hardware: Callable[[], Hardware],
        figures: Callable[[], dict[str, tuple[float, int]]],
        gauges: Gauges,
        told: Callable[[str], None],
        events: EventLog,
        pulls: Callable[[], tuple[PullProgress, ...]],
        ledger: Ledger,
        notes: tuple[str, ...] = (),
        advice: Callable[[], tuple[str, ...]] = tuple,
        root: Callable[[], Root | None] = lambda: None,
        states: Callable[[Mapping[str, str], datetime], None] = lambda _states, _at: None,
        silent: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._device, self._clock, self._outbox, self._link = device, clock, outbox, link
        self._hardware, self._figures, self._gauges, self._told = hardware, figures, gauges, told
        self._notes, self._ledger, self._events, self._pulls = notes, ledger, events, pulls
        self._advice, self._root, self._states, self._silent = advice, root, states, silent
        self._started_at: datetime = clock.now()
        self._snapshot: Snapshot | None = None
        self._facts: tuple[Hardware, dict[str, Any]] | None = None
        self._reports: tuple[ModuleReport, ...] | None = None
        self._down: bool | None = None  # what was told of the engine last
        self._telling = threading.Lock()

    def snapshot(self) -> Snapshot | None:
        """The newest; None before the first cycle ended."""
        return self._snapshot

    def publish(self, cycle: Cycle) -> None:
        """Swap the snapshot, queue what changed for the cloud, and feed the watchdog with the headline."""
        with self._telling:
            self._publish(replace(cycle, observed=self._as_heard(cycle.observed)))

    def heard(self) -> None:
        """The engine fell silent, or answers again: say so now, for the cycle may be waiting for it."""
        with self._telling:
            snapshot, reports = self._snapshot, self._reports
            if snapshot is None or reports is None:
                return
            observed = self._as_heard(snapshot.observed)
            self._report(snapshot, observed, reports)
            self._tell_of_engine(observed, self._clock.now())
            up = observed.engine_down is None
            self._gauges.engine(up=up, health=health_word(reports, observed, snapshot.ledger))
        self._events.nudge()

    def _publish(self, cycle: Cycle) -> None:
        figures = self._outbox.figures()
        snapshot = Snapshot(
            at=cycle.at,
            device=self._device,
            agent_version=__version__,
            started_at=self._started_at,
            engine_down=cycle.observed.engine_down,
            link=self._link(),
            ledger=cycle.ledger,
            target=cycle.target,
            observed=cycle.observed,
            plan=cycle.plan,
            hardware=self._hardware(),
            outbox=replace(figures, streams=figures.streams + self._events.waiting()),
            notes=(*self._notes, *self._advice(), *([cycle.trouble] if cycle.trouble else [])),
        )
        reports = module_reports(cycle.target, cycle.observed, cycle.ledger, cycle.plan)
        if self._reports is not None or cycle.ledger.desired != self._ledger.desired:
            self._tell_events(reports, cycle)
        self._tell_of_engine(cycle.observed, cycle.at)
        refused = refusals(self._ledger, cycle.ledger)
        self._snapshot, self._reports, self._ledger = snapshot, reports, cycle.ledger
        known = self._facts
        self._report(snapshot, cycle.observed, reports)
        if self._facts is not known:
            birth = birth_document(self._device, __version__, snapshot.hardware)
            self._outbox.put_state(BIRTH.name, canonical(birth))
        self._gauges.cycle(replace(_figures(snapshot, reports), refusals=refused))
        self._states({report.name: report.state.value for report in reports}, cycle.at)
        self._told(self.headline(reports, snapshot))
        self._events.nudge()

    def _report(self, snapshot: Snapshot, observed: Observed, reports: tuple[ModuleReport, ...]) -> None:
        document = reported_document(
            device=self._device,
            agent=__version__,
            ledger=snapshot.ledger,
            observed=observed,
            reports=reports,
            hardware=self._compact(snapshot.hardware),
            verdicts=verdict_codes(snapshot.target.considered),
            gate=snapshot.target.gate,
            root=self._root(),
        )
        self._outbox.put_state(REPORTED.name, canonical(document))

    def _as_heard(self, observed: Observed) -> Observed:
        """What a cycle observed, with what is known of the engine by now: the cycle may be waiting for it."""
        silent = self._silent()
        return observed if silent is None else replace(observed, engine_down=silent)

    def _tell_of_engine(self, observed: Observed, at: datetime) -> None:
        """An event each time it is lost and found; how it was when the agent came is none."""
        was, self._down = self._down, observed.engine_down is not None
        if was is False and self._down:
            self._tell(EventKind.ENGINE_DOWN, {"why": observed.engine_down}, at)
        elif was and not self._down:
            self._tell(EventKind.ENGINE_BACK, {}, at)

    def _compact(self, hardware: Hardware) -> dict[str, Any]:
        """Its compact facts, made once for each look at it."""
        if self._facts is None or self._facts[0] is not hardware:
            self._facts = (hardware, compact_facts(hardware))
        return self._facts[1]

    def status(self) -> dict[str, Any]:
        """The status document of the last cycle, with the link, the pulls and the engine as they are now."""
        snapshot = self._snapshot
        observed = self._as_heard(snapshot.observed if snapshot else Observed())
        document = status_document(
            device=self._device,
            agent=__version__,
            uptime_s=max(0.0, (self._clock.now() - self._started_at).total_seconds()),
            link=self._link(),
            outbox=self._outbox.figures(),
            target=snapshot.target if snapshot else Target(),
            observed=observed,
            ledger=snapshot.ledger if snapshot else self._ledger,
            reports=tuple(map(self._with_pull, self._reports or ())),
            figures=self._figures(),
            notes=snapshot.notes if snapshot else self._notes,
        )
        return document if snapshot else document | {"health": "starting"}  # nothing was looked at yet

    def _with_pull(self, report: ModuleReport) -> ModuleReport:
        """A pull takes minutes and no cycle: its progress is asked for when somebody looks."""
        if report.pull is None:
            return report
        newest = {pull.reference: pull for pull in self._pulls()}
        return replace(report, pull=newest.get(report.pull.reference, report.pull))

    @staticmethod
    def headline(reports: tuple[ModuleReport, ...], snapshot: Snapshot) -> str:
        """`healthy: version 14, 2 of 2 modules ready`: one line for systemctl."""
        word = health_word(reports, snapshot.observed, snapshot.ledger)
        ready = sum(report.ready for report in reports)
        version = snapshot.target.version
        running = f"version {version}, " if version is not None else ""
        return f"{word}: {running}{ready} of {len(reports)} modules ready"

    def _tell_events(self, reports: tuple[ModuleReport, ...], cycle: Cycle) -> None:
        before = self._reports if self._reports is not None else reports
        for kind, said in events_between(before, reports, self._ledger, cycle.ledger):
            self._tell(kind, said, cycle.at)

    def _tell(self, kind: EventKind, said: dict[str, object], at: datetime) -> None:
        log.info(kind, extra={"fields": {name: value for name, value in said.items() if name != "log"}})
        self._events.tell(kind, said, at)


def _figures(snapshot: Snapshot, reports: tuple[ModuleReport, ...]) -> CycleFigures:
    """The cycle as dashboards count it."""
    ledger, gate = snapshot.ledger, snapshot.target.gate
    shut = (("download", gate.download), ("apply", gate.apply))
    return CycleFigures(
        health=health_word(reports, snapshot.observed, ledger),
        engine_up=snapshot.engine_down is None,
        upstream_connected=snapshot.link.connected,
        outbox=snapshot.outbox,
        desired_version=ledger.desired.version if ledger.desired else None,
        desired_code=ledger.desired.code if ledger.desired else None,
        accepted_version=ledger.accepted.version if ledger.accepted else None,
        candidate_version=ledger.candidate.version if ledger.candidate else None,
        waiting=tuple((phase, one.code) for phase, one in shut if one is not None),
        modules=tuple(
            ModuleFigures(r.name, r.state.value, r.ready, r.restarts, r.variant, r.version) for r in reports
        ),
        uptime_s=snapshot.uptime_s,
        hardware=labels(snapshot.hardware),
        demotions=tuple((d.module, d.variant, d.code) for d in ledger.demotions),
    )
