"""One fixture for every Outbox: the fake and the one on SQLite, with policies by stream; and how to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgetender.model.upstream import OutboxFigures, StreamFigures, StreamPolicy, default_policy
from edgetender.ports import Outbox
from edgetender.store.outbox import SqliteOutbox
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeOutbox

Make = Callable[..., Outbox]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["fake", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Make]:
    made = []

    def build(policies: dict[str, StreamPolicy] | None = None, **bounds) -> Outbox:
        known = policies or {}
        bounds["policies"] = lambda stream: known.get(stream) or default_policy(stream)
        if request.param == "fake":
            return FakeOutbox(clock, **bounds)
        made.append(SqliteOutbox(tmp_path / "queue.db", clock=clock, boot=7, **bounds))
        return made[-1]

    yield build
    for outbox in made:
        outbox.close()


def of(outbox: Outbox, stream: str) -> StreamFigures:
    return next(one for one in outbox.figures().streams if one.name == stream)


def bodies(outbox: Outbox) -> list[bytes]:
    return [message.body for message in outbox.head()]


def balanced(figures: OutboxFigures) -> bool:
    return figures.accepted == figures.delivered + figures.queued + figures.dropped


def drain(outbox: Outbox) -> list[tuple[str, bytes]]:
    got = []
    while found := outbox.head():
        for message in found:
            got.append((message.topic, message.body))
            outbox.sent(message)
    return got
