"""What does the cloud's side see, and do? An operator who remembers all that one device said, over MQTT or a hub."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from demo.narrator import StoryFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.device import Device


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: *topic* is `reported`, `status`, `telemetry/…` or `event/…`, *at* is monotonic seconds."""

    at: float
    topic: str
    retained: bool
    body: Any


class Upstream(ABC):
    """What both ways have in common; the story's steps know no more. Safe to read from any thread."""

    name: ClassVar[str]  # of what stands between
    carrier: ClassVar[str]
    presence: ClassVar[str]  # how it is known whether the device is there
    delivery: ClassVar[str]  # what is true of a manifest on its way
    about: str  # one line of what was started
    where: str

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._changed = threading.Condition()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def go_away(self) -> None:
        """End what stands between; what it kept stays."""

    @abstractmethod
    def come_back(self) -> None: ...

    @abstractmethod
    def transport(self, credentials: Path) -> str:
        """The device's `[transport]`; what is secret of it goes below *credentials*."""

    @property
    def environment(self) -> dict[str, str]:
        """What the daemon's process needs beside its own."""
        return {}

    @abstractmethod
    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> float:
        """Return when it is there for the device, with the moment (monotonic) it was sent."""

    @abstractmethod
    def push(self, device: Device, manifest: Path) -> None:
        """What an author does with a signed manifest. Raises StoryFailed."""

    def hints(self) -> str:
        """What a person may try in another terminal."""
        return ""

    def titled(self, title: str) -> str:
        """A step's title, which speaks of MQTT and a broker, as it is here."""
        return title.replace("MQTT", self.carrier).replace("broker", self.name)

    def heard(self, topic: str, *, since: float = 0.0) -> list[Heard]:
        """Everything on *topic* (a trailing `#` stands for the rest) after the moment *since*."""
        with self._changed:
            return [one for one in self._heard if one.at >= since and _matches(topic, one.topic)]

    def latest(self, topic: str) -> Any:
        """The last body on *topic*; None if there was none."""
        messages = self.heard(topic)
        return messages[-1].body if messages else None

    def wait(
        self, topic: str, what: str, test: Callable[[Any], object], *, within_s: float, since: float = 0.0
    ) -> Heard:
        """Return the first message on *topic* after *since* whose body passes *test*."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while True:
                for one in self._heard:
                    if one.at >= since and _matches(topic, one.topic) and test(one.body):
                        return one
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    break
        raise StoryFailed(
            f"upstream saw no {what} on {topic!r} within {within_s:g} s; last there: {self.latest(topic)!r}"
        )

    def _remember(self, topic: str, body: Any, *, retained: bool) -> None:
        with self._changed:
            self._heard.append(Heard(time.monotonic(), topic, retained, body))
            self._changed.notify_all()


def _matches(pattern: str, topic: str) -> bool:
    return topic.startswith(pattern[:-1]) if pattern.endswith("#") else topic == pattern
