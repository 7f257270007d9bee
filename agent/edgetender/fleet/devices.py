"""What has each device of the fleet said last?"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edgetender.clock import Clock
from edgetender.transports.publication import root_topic

SUBSCRIPTION = root_topic("+") + "/+"
_PARTS = len(SUBSCRIPTION.split("/"))
_MOST_DEVICES = 20_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one device: its `status` and its `reported` document, and when it spoke last."""

    status: Mapping[str, Any] = field(default_factory=dict)
    reported: Mapping[str, Any] = field(default_factory=dict)
    heard_at: datetime | None = None


class Fleet:
    """The newest word of every device. Threads: `take` from the connection's, `devices` from any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._devices: dict[str, Seen] = {}
        self.connected = False
        self.heard = 0  # messages so far

    def take(self, topic: str, body: bytes) -> bool:
        """Remember what a device said; what is no word of a device is passed over. Always True."""
        parts = topic.split("/")
        if len(parts) != _PARTS or parts[3] not in ("status", "reported"):
            return True
        name, kind = parts[2], parts[3]
        self.heard += 1
        with self._lock:
            if not body:  # cleared: the device is no more
                self._devices.pop(name, None)
                return True
            document = _object(body)
            if document is None or (name not in self._devices and len(self._devices) >= _MOST_DEVICES):
                return True
            seen = self._devices.get(name, Seen())
            status, reported = (document, seen.reported) if kind == "status" else (seen.status, document)
            self._devices[name] = Seen(status, reported, self._clock.now())
        return True

    def devices(self) -> dict[str, Seen]:
        """All that is known now, by name."""
        with self._lock:
            return dict(sorted(self._devices.items()))


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
