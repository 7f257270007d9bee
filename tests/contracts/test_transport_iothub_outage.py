"""Ten minutes without the hub, in compressed time: what was accepted arrives, each stream in its order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts.waiting import until
from edgetender.store.outbox import SqliteOutbox
from edgetender.uplink import Uplink
from tests.fakes.clock import FakeClock
from tests.services.far_side import opened, settled
from tests.services.hub_side import HubSide

OUTAGE_S = 600
STREAMS = ("telemetry/device", "telemetry/modules", "event/module.state")


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteOutbox]:
    box = SqliteOutbox(tmp_path / "queue.db", clock=FakeClock())
    yield box
    box.close()


def told(side: HubSide, topic: str) -> list[int]:
    """The numbers that arrived on *topic*, without those that came once more."""
    arrived = side.hub.messages(side.device)
    bodies: list[Any] = [body for one in arrived if one.properties["kind"] == topic for body in one.bodies()]
    return list(dict.fromkeys(body["n"] for body in bodies))


def test_nothing_that_was_accepted_is_lost_and_each_stream_keeps_its_order(
    iothub: HubSide, outbox: SqliteOutbox
) -> None:
    opened(iothub)
    clock, stopping = FakeClock(), threading.Event()
    uplink = Uplink(iothub.transport, outbox, stopping)
    thread = threading.Thread(target=uplink.work, daemon=True)
    thread.start()
    iothub.go_away()
    settled(iothub.transport, connected=False)
    for second in range(OUTAGE_S):
        for topic in STREAMS[: 3 if second % 10 == 0 else 2]:
            body = json.dumps({"n": second, "figures": "x" * 400}).encode()
            outbox.append(topic, body, clock.now())
        clock.advance(1)
    iothub.hub.wrongs.refuse = 2  # it knows nobody for a while,
    iothub.hub.wrongs.drop = 3  # and hangs up in the middle of it
    iothub.come_back()
    uplink.wake()
    wanted = {topic: list(range(0, OUTAGE_S, 10 if topic == STREAMS[2] else 1)) for topic in STREAMS}
    until(lambda: all(len(told(iothub, topic)) == len(wanted[topic]) for topic in STREAMS), "all")
    assert {topic: told(iothub, topic) for topic in STREAMS} == wanted
    until(lambda: outbox.figures().queued == 0, "the last acknowledgement")
    figures = outbox.figures()
    assert (figures.delivered, figures.dropped) == (figures.accepted, 0)
    samples = [one for one in iothub.hub.messages(iothub.device) if one.properties["kind"] != STREAMS[2]]
    assert len(samples) < 2 * OUTAGE_S / 7, "of 4 KB each"
    stopping.set()
    uplink.wake()
    thread.join(60)
    assert not thread.is_alive()
