"""What does the daemon say of itself before its first look at the device?"""

from __future__ import annotations

import json

from edgetender.eventlog import EventLog
from edgetender.model.figures import CycleFigures
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed, PullProgress
from edgetender.model.plan import Plan
from edgetender.model.target import ImageWanted, Target
from edgetender.model.upstream import Link, OutboxFigures
from edgetender.publisher import Publisher
from edgetender.reconciler import Cycle
from tests.builders import answers
from tests.builders.hardware import machine
from tests.builders.manifests import SCORER, manifest, slot
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeOutbox


class NoOutbox:
    def figures(self) -> OutboxFigures:
        return OutboxFigures(queued=3)


class NoGauges:
    def cycle(self, figures: CycleFigures) -> None: ...


def test_before_the_first_cycle_the_status_is_whole_and_tells_what_is_remembered():
    clock = FakeClock()
    publisher = Publisher(
        device="line3-cam7", clock=clock, outbox=NoOutbox(), link=lambda: Link("none", connected=False),
        hardware=Hardware, figures=dict, gauges=NoGauges(), told=lambda _: None,
        events=EventLog("line3-cam7", NoOutbox(), clock.now()), pulls=lambda: (),
        ledger=Ledger(accepted=slot(manifest(14))), notes=("the state database was rebuilt",),
    )  # fmt: skip
    clock.advance(7)
    status = publisher.status()
    assert status.keys() == answers.status().keys()
    assert (status["health"], status["version"], status["modules"]) == ("starting", 14, [])
    assert (status["uptimeSeconds"], status["upstream"]["queued"]) == (7, 3)
    assert status["notes"] == ["the state database was rebuilt"]
    assert publisher.snapshot() is None


def test_who_this_is_is_told_at_first_and_when_the_hardware_is_another():
    clock, hardware = FakeClock(), [machine(cuda="12.4")]
    outbox = FakeOutbox(clock)
    publisher = Publisher(
        device="line3-cam7", clock=clock, outbox=outbox, link=lambda: Link("none", connected=False),
        hardware=lambda: hardware[0], figures=dict, gauges=NoGauges(), told=lambda _: None, ledger=Ledger(),
        events=EventLog("line3-cam7", outbox, clock.now()), pulls=lambda: (),
    )  # fmt: skip
    told = []
    for now in (None, None, machine(cuda="13.0"), None):
        hardware[0] = now or hardware[0]
        publisher.publish(Cycle(clock.now(), Ledger(), Target(), Observed(), Plan()))
        states = {message.topic: message for message in outbox.head()}
        told.append("birth" in states and json.loads(states["birth"].body)["hardware"]["cuda"])
        for message in states.values():
            outbox.sent(message)
    assert told == ["12.4", False, "13.0", False]


def test_the_progress_of_a_pull_is_that_of_now_although_no_cycle_ended_since():
    clock, now = FakeClock(), [PullProgress(SCORER, 10, 100)]
    publisher = Publisher(
        device="line3-cam7", clock=clock, outbox=FakeOutbox(clock), link=lambda: Link("none", connected=False),
        hardware=Hardware, figures=dict, gauges=NoGauges(), told=lambda _: None, ledger=Ledger(),
        events=EventLog("line3-cam7", FakeOutbox(clock), clock.now()), pulls=lambda: tuple(now),
    )  # fmt: skip
    wanted = Target(fetch=(ImageWanted("scorer", SCORER),))
    observed = Observed(pulls=tuple(now))
    publisher.publish(Cycle(clock.now(), Ledger(), wanted, observed, Plan()))
    assert publisher.status()["modules"][0]["pull"]["doneBytes"] == 10
    now[0] = PullProgress(SCORER, 60, 100)
    assert publisher.status()["modules"][0]["pull"]["doneBytes"] == 60
    now.clear()  # it ended, and the next cycle says how
    assert publisher.status()["modules"][0]["pull"]["doneBytes"] == 10
