"""Whom does news concern? What follows a cycle's end, and word of the engine between two."""

from __future__ import annotations

from collections.abc import Callable

from edgetender.crashes import Crashes
from edgetender.ingest.doors import Doors
from edgetender.publisher import Publisher
from edgetender.reconciler import Cycle
from edgetender.systemd import Notifier
from edgetender.uplink import Uplink
from edgetender.waking import Flags


def telling(notifier: Notifier, uplink: Uplink, crashes: Crashes) -> Callable[[str], None]:
    """After each cycle; a wedged one is a dead agent."""

    def told(headline: str) -> None:
        notifier.alive(headline)
        crashes.goes_on()
        uplink.wake()

    return told


def publishing(publisher: Publisher, doors: Doors) -> Callable[[Cycle], None]:
    """After each cycle, before what it found is told."""

    def publish(cycle: Cycle) -> None:
        doors.keep(cycle.observed)
        publisher.publish(cycle)

    return publish


def heard(publisher: Publisher, uplink: Uplink, flags: Flags) -> None:
    """News of the engine. Upstream first: the loop may be waiting for it."""
    publisher.heard()
    uplink.wake()
    flags.wake.set()
