"""Carries the steps of a plan out, one at a time, on the caller's thread. Steps are safe to repeat."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Protocol, assert_never

from edgetender.errors import Permanent, Transient
from edgetender.model.plan import (
    Compare,
    Create,
    EnsureFront,
    Forget,
    LowerFront,
    Outcome,
    Plan,
    Point,
    Pull,
    Remove,
    RemoveImage,
    Start,
    Step,
    Stop,
)
from edgetender.model.target import ImageWanted
from edgetender.ports import Engine, Front

log = logging.getLogger(__name__)


class Pulls(Protocol):
    def submit(self, image: ImageWanted) -> None: ...


class Executor:
    """The one place where steps become effects."""

    def __init__(self, engine: Engine, front: Front, puller: Pulls, stopping: threading.Event) -> None:
        self._engine, self._front, self._puller, self._stopping = engine, front, puller, stopping

    def apply(self, plan: Plan) -> Iterator[Outcome]:
        """Yield one outcome per step tried; a failure ends its module's stride, not its neighbours'."""
        failed: set[str] = set()
        for step in plan.steps:
            if self._stopping.is_set():
                return
            if step.module in failed:
                continue
            try:
                self._do(step)
            except (Transient, Permanent) as error:
                failed.add(step.module)
                log.warning(
                    "step failed",
                    extra={"fields": {"step": type(step).__name__, "module": step.module, "why": str(error)}},
                )
                yield Outcome(step, error)
            else:
                yield Outcome(step)

    def _do(self, step: Step) -> None:
        match step:
            case EnsureFront() | Point() | Compare() | Forget() | LowerFront():
                self._do_front(step)
            case Pull(image=image):
                self._puller.submit(image)  # returns at once; progress shows in Observed.pulls
            case Create(module, spec, version):
                self._engine.create(spec, version)
                log.info(
                    "container created",
                    extra={"fields": {"module": module, "image": spec.image, "version": version}},
                )
            case Start(module, container, again):
                self._engine.start(container)
                log.info("container started", extra={"fields": {"module": module, "again": again}})
            case Stop(module, container, grace_s, why):
                self._engine.stop(container, grace_s)
                log.info("container stopped", extra={"fields": {"module": module, "why": why}})
            case Remove(module, container):
                self._engine.remove(container)
                log.info("container removed", extra={"fields": {"module": module}})
            case RemoveImage(image):
                self._engine.remove_image(image)
                log.info("image removed", extra={"fields": {"image": image}})
            case _:
                assert_never(step)

    def _do_front(self, step: EnsureFront | Point | Compare | Forget | LowerFront) -> None:
        match step:
            case EnsureFront(module, front, member):
                self._front.ensure(front, member)
                log.info("front set up", extra={"fields": {"module": module, "mechanism": front.mechanism}})
            case Point(module, front, member):
                self._front.point(front, member)
                log.info(
                    "traffic switched", extra={"fields": {"module": module, "to": member.container[:12]}}
                )
            case Compare(module, front, member, wanted):
                self._front.compare(front, member, wanted)
                log.info("copies compared", extra={"fields": {"module": module, "of": member.container[:12]}})
            case Forget(module, container):
                self._front.forget(module, container)
            case LowerFront(module):
                self._front.lower(module)
                log.info("front taken down", extra={"fields": {"module": module}})
