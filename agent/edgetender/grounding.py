"""On what do images stand here? The engine, with what this device knows of its power cuts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edgetender.checks.looking import wanted_images
from edgetender.config.settings import Settings
from edgetender.engine.proven import ProvenEngine
from edgetender.engine.whole import DockerImages
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.ports import Engine
from edgetender.store.boot import boot_number
from edgetender.store.marks import BootMarks

log = logging.getLogger(__name__)


class GroundedEngine(ProvenEngine):
    """*engine*, on this device's disk."""

    def __init__(self, engine: Engine, settings: Settings, wake: Callable[[], None]) -> None:
        self._boot = BootMarks(settings.state_dir / "boot.json", boot_number())
        super().__init__(engine, DockerImages(settings.engine.socket), self._boot, wake)
        if self._boot.unclean:
            log.warning("the power went: images that were not synced are proven before they are used")

    def work(
        self, ledger: Callable[[], Ledger], hardware: Callable[[], Hardware], stopping: threading.Event
    ) -> None:
        """The body of a thread: prove what the ledger wants, wait, and note that the end was a good one."""

        def names() -> set[str]:
            known = ledger()
            wanted = {one.reference for one in wanted_images(known, hardware())}
            return wanted | set(known.resolved.values())

        self.prove(names, stopping)
        stopping.wait()
        self._boot.end()
