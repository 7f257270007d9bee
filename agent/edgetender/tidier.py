"""Is there room enough on the engine's disk? If not, which image goes next: one at a time, then it is looked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from edgetender.decide.gating import is_frozen
from edgetender.decide.stride import Waits, image_key, may_try
from edgetender.decide.tidying import images_of, is_short, rubbish
from edgetender.errors import AgentError
from edgetender.memory import Memory
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed
from edgetender.model.plan import Plan, RemoveImage
from edgetender.model.target import Target
from edgetender.ports import Engine


class Tidier:
    """The reconciler's alone. The engine's disk and the history are asked only when there is something to remove."""

    def __init__(self, engine: Engine, memory: Memory, keep_free_bytes: int) -> None:
        self._engine, self._memory, self._keep_free_bytes = engine, memory, keep_free_bytes

    def with_room(
        self, stride: Plan, target: Target, observed: Observed, ledger: Ledger, now: datetime
    ) -> Plan:
        """*stride*, and one image less where room is wanted."""
        if observed.engine_down is not None or is_frozen(ledger, now):
            return stride
        if not rubbish(ledger, observed, images_of(self._memory.slots(ledger), ledger)):
            return stride
        try:
            free = self._engine.free_bytes()
        except AgentError:
            return stride
        if not is_short(ledger, target, free, self._keep_free_bytes):
            return stride
        waits: Waits = {}
        for name in rubbish(ledger, observed, images_of(self._memory.slots(ledger, back=True), ledger)):
            if may_try(image_key(name), "", ledger, now, waits):
                return replace(stride, steps=(*stride.steps, RemoveImage(name)))
        return stride
