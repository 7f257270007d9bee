"""What wakes the loop from outside? Manifests that arrive, modules that ask for time, and the engine's events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgetender.codec import canonical
from edgetender.errors import AgentError, Permanent, Transient
from edgetender.ports import Engine

log = logging.getLogger(__name__)

_ENGINE_RETRY_S = 1.0


@dataclass
class Flags:
    """The Events that threads share."""

    wake: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    crashed: list[BaseException] = field(default_factory=list)

    def stop(self) -> None:
        self.stopping.set()
        self.wake.set()

    def crash(self, error: BaseException) -> None:
        self.crashed.append(error)
        self.stop()


def accepting(
    deliver: Callable[[str, str, bytes], object], source: str, flags: Flags
) -> Callable[[bytes], bool]:
    """What a transport calls with each manifest: True once the bytes are on disk. Never raises."""

    def accept(body: bytes) -> bool:
        try:
            deliver("manifest", source, body)
        except AgentError as error:
            log.error("a manifest could not be written down", extra={"fields": {"why": str(error)}})  # noqa: TRY400
            return False
        except Exception as error:  # noqa: BLE001  # raising here would kill the transport's thread
            flags.crash(error)
            return False
        flags.wake.set()
        return True

    return accept


def asking(
    deliver: Callable[[str, str, bytes], object], flags: Flags
) -> Callable[[str, Mapping[str, object]], None]:
    """What is called when a module wants its update to wait; on the disk when it returns. Raises as *deliver* does."""

    def ask(module: str, wish: Mapping[str, object]) -> None:
        deliver("delay", f"module {module}", canonical({"module": module, **wish}))
        flags.wake.set()

    return ask


def watch(engine: Engine, flags: Flags, back: Callable[[], None] = lambda: None) -> None:
    """Wake the loop at each event of our containers, when the engine goes away, and when it is back.

    *back* is called once each time the engine answers again: it may be another one, with other abilities.
    """
    away = False
    while not flags.stopping.is_set():
        try:
            if away:
                engine.facts()  # raises while it is away
                away = False
                back()
                flags.wake.set()
            engine.watch(flags.wake.set, flags.stopping.is_set)
        except (Transient, Permanent):
            if not away:
                flags.wake.set()
            away = True
            flags.stopping.wait(_ENGINE_RETRY_S)
