"""What does the daemon say of itself before its first look at the device?"""

from __future__ import annotations

from edgetender.eventlog import EventLog
from edgetender.model.figures import CycleFigures
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.upstream import Link, OutboxFigures
from edgetender.publisher import Publisher
from tests.builders import answers
from tests.builders.manifests import manifest, slot
from tests.fakes.clock import FakeClock


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
        events=EventLog("line3-cam7", NoOutbox(), clock.now()),
        ledger=Ledger(accepted=slot(manifest(14))), notes=("the state database was rebuilt",),
    )  # fmt: skip
    clock.advance(7)
    status = publisher.status()
    assert status.keys() == answers.status().keys()
    assert (status["health"], status["version"], status["modules"]) == ("starting", 14, [])
    assert (status["uptimeSeconds"], status["upstream"]["queued"]) == (7, 3)
    assert status["notes"] == ["the state database was rebuilt"]
    assert publisher.snapshot() is None
