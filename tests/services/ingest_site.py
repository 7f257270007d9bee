"""The doors of a device, where modules' messages come in, with all that comes in kept to be looked at."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgetender.ingest.doors import Doors
from edgetender.ingest.taking import Limits
from edgetender.store.outbox import SqliteOutbox
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeOutbox

STREAMS = (("alarms", "durable"), ("figures", "standard"))


class Site:
    """The doors of a device, open; *outbox* is what they fill."""

    def __init__(
        self, root: Path, *, outbox: FakeOutbox | SqliteOutbox | None = None, patience_s: float = 60
    ) -> None:
        self.clock, self.root = FakeClock(), root
        self.outbox = outbox or FakeOutbox()
        self.refused: list[tuple[str, str]] = []
        self.wishes: list[tuple[str, Mapping[str, object]]] = []
        self.heard: list[tuple[str, Sequence[bytes]]] = []
        self.doors = Doors(
            root,
            self.outbox,
            self.clock,
            Limits(per_second=10.0, max_bytes=1024, patience_s=patience_s),
            lambda *what: self.refused.append(what),
            lambda *wish: self.wishes.append(wish),
            lambda *said: self.heard.append(said),
        )
        self.thread = threading.Thread(target=self.doors.run)
        self.thread.start()

    def open(self, module: str = "scorer", name: str = "") -> Path:
        return self.doors.open(name or f"edgetender-{module}-1", module, STREAMS)

    def stop(self) -> None:
        self.doors.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()

    @property
    def queued(self) -> list[tuple[str, bytes]]:
        return [(message.topic, message.body) for message in self.outbox.head(1000)]


@contextmanager
def short_place() -> Iterator[Path]:
    """Where doors may be: a socket's address is short, pytest's paths are not."""
    place = Path(tempfile.mkdtemp(prefix="edgetender-"))
    try:
        yield place / "messages"
    finally:
        shutil.rmtree(place)


@contextmanager
def serving(
    root: Path, *, outbox: FakeOutbox | SqliteOutbox | None = None, patience_s: float = 60
) -> Iterator[Site]:
    site = Site(root, outbox=outbox, patience_s=patience_s)
    try:
        yield site
    finally:
        site.stop()
