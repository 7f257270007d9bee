"""The far side of each transport, seen by a test: it says manifests, hears reports, goes away and comes back."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from demo.parts.waiting import until
from edgetender.model.upstream import Link
from edgetender.ports import Transport
from edgetender.transports.folder import FolderTransport
from edgetender.transports.mqtt import MqttTransport
from edgetender.transports.settings import FolderSettings, MqttSettings
from tests.fakes.transport import FakeTransport
from tests.services.mqtt_listener import Listener
from tests.services.wire import Wire

numbers = itertools.count(1)  # of devices: each test has its own


@dataclass
class Inbox:
    """What accepted manifests go into. *verdicts* are given first, one each (an exception is raised), then True.

    `links` is the link at each wake: what was said of it in between is there also when the next attempt has
    long said something else.
    """

    verdicts: list[bool | Exception] = field(default_factory=list)
    offered: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    wakes: int = 0
    links: list[Link] = field(default_factory=list)

    def accept(self, body: bytes) -> bool:
        self.offered.append(body)
        verdict = self.verdicts.pop(0) if self.verdicts else True
        if isinstance(verdict, Exception):
            raise verdict
        if verdict:
            self.taken.append(body)
        return verdict

    def wake(self) -> None:
        self.wakes += 1

    def wait(self, body: bytes) -> None:
        until(lambda: body in self.taken, f"{body[:40]!r} taken", every_s=0.01)


class FarSide(Protocol):
    """One device's far side. What `publish` says waits for the device until it is acknowledged."""

    transport: Transport

    def publish(self, body: bytes) -> None: ...

    def until_it_hears(self) -> None:
        """Return once a device whose link has just come up gets what is said now."""
        ...

    def offer_again(self) -> None:
        """Make what was refused come again, where it does not by itself."""
        ...

    def heard(self, topic: str) -> list[bytes]:
        """The bodies that arrived on *topic*; of state, at least the last."""
        ...

    def go_away(self) -> None: ...

    def come_back(self) -> None: ...


def opened(far: FarSide, *verdicts: bool | Exception) -> Inbox:
    """Open the device's transport and wait until it hears what is said to it."""
    inbox, transport = Inbox(list(verdicts)), far.transport

    def wake() -> None:
        inbox.links.append(transport.link())
        inbox.wake()

    transport.open(inbox.accept, wake)
    settled(far.transport, connected=True)
    far.until_it_hears()
    return inbox


def settled(transport: Transport, *, connected: bool) -> Link:
    """The link, once it is *connected* or is not."""

    def look() -> Link | None:
        link = transport.link()
        return link if link.connected is connected else None

    return until(look, f"{transport.link()} connected={connected}", every_s=0.01)


@dataclass
class FakeSide:
    transport: FakeTransport = field(default_factory=FakeTransport)

    def publish(self, body: bytes) -> None:
        self.transport.deliver(body)

    def until_it_hears(self) -> None:
        """It does."""

    def offer_again(self) -> None:
        self.go_away()
        self.come_back()

    def heard(self, topic: str) -> list[bytes]:
        return self.transport.bodies(topic)

    def go_away(self) -> None:
        self.transport.go_down()

    def come_back(self) -> None:
        self.transport.come_up()


class FolderSide:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.transport: Transport = FolderTransport(
            FolderSettings(path, poll_s=0.02, stable_s=0.05), "line3-cam7"
        )

    def publish(self, body: bytes) -> None:
        inbox = self.path / "inbox"
        inbox.mkdir(exist_ok=True)
        name = f"{next(numbers):06}.json"
        (inbox / f".{name}").write_bytes(body)
        (inbox / f".{name}").rename(inbox / name)  # at no moment half of it

    def until_it_hears(self) -> None:
        """It does."""

    def offer_again(self) -> None:
        """It looks again by itself."""

    def heard(self, topic: str) -> list[bytes]:
        state = self.path / "outbox" / f"{topic.replace('/', '.')}.json"
        if state.exists():
            return [state.read_bytes()]
        messages = self.path / "outbox" / "messages.jsonl"
        lines = [json.loads(line) for line in messages.read_text().splitlines()] if messages.exists() else []
        return [json.dumps(line["body"]).encode() for line in lines if line["topic"] == topic]

    def go_away(self) -> None:
        self.path.rename(self.path.with_suffix(".gone"))

    def come_back(self) -> None:
        self.path.with_suffix(".gone").rename(self.path)


@dataclass
class MqttSide:
    """A device on a wire to a broker, and a listener beside it that is not on that wire."""

    settings: MqttSettings
    device: str
    wire: Wire
    listener: Listener
    transport: MqttTransport

    def again(self, **changes: Any) -> MqttTransport:
        """The device's next transport, for instance after its process ended; with other settings."""
        self.transport.close()
        self.settings = replace(self.settings, **changes)
        self.transport = MqttTransport(self.settings, self.device)
        return self.transport

    def publish(self, body: bytes) -> None:
        """Not retained: only the broker's session for the device keeps it until it is acknowledged."""
        self.listener.publish("desired", body)

    def until_it_hears(self) -> None:
        """It subscribes before it says that it is online."""
        self.listener.wait("status", b"online")

    def offer_again(self) -> None:
        """It connects again by itself."""

    def heard(self, topic: str) -> list[bytes]:
        return self.listener.bodies(topic)

    def statuses(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.listener.bodies("status")]

    def is_back(self, lost: str) -> bool:
        """Whether the last word is online, in another session than *lost*."""
        last = self.statuses()[-1]
        return bool(last["state"] == "online" and last["session"] != lost)

    def go_away(self) -> None:
        self.wire.cut()

    def come_back(self) -> None:
        self.wire.mend()


@contextmanager
def mqtt_side(port: int, protocol: str, **changes: Any) -> Iterator[MqttSide]:
    """*protocol* is what the device speaks; for `auto` the broker behind the wire knows 3.1.1 alone."""
    device = f"line3-cam{next(numbers)}"
    refuses_5 = "says no" if protocol == "auto" else ""
    with Wire(port, refuses_5=refuses_5) as wire, Listener(port, device) as listener:
        options: dict[str, Any] = {"tls": False, "protocol": protocol, "reconnect_max_s": 0.2} | changes
        settings = MqttSettings("127.0.0.1", wire.port, **({"will_delay_s": 1} | options))
        side = MqttSide(settings, device, wire, listener, MqttTransport(settings, device))
        try:
            yield side
        finally:
            side.transport.close()
            with contextlib.suppress(AssertionError):
                listener.forget("status", "desired", "reported", "birth")


def has_azure_sdk() -> bool:
    """Whether the SDK can be imported: only where .venv/azure comes first."""
    return find_spec("azure") is not None and find_spec("azure.iot") is not None


def in_background(work: Any, *args: Any, **kwargs: Any) -> tuple[threading.Thread, list[Any]]:
    """Run *work* on a thread; the list gets what it returned or raised."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # it is the test that judges it
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome
