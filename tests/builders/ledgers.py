"""Small worlds for decisions: a manifest that runs, is on trial, or is about to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from edgetender.decide.resolving import Resolution, resolve
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger, Slot
from edgetender.model.observed import Container, Health, Observed, Readiness, Status
from edgetender.model.reading import read_manifest
from edgetender.model.target import ContainerSpec, Target
from tests.builders.loops import AMD64
from tests.builders.manifests import slot
from tests.fakes.clock import NOON


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def holding(
    accepted: dict[str, Any] | None = None, candidate: dict[str, Any] | None = None, /, **more: Any
) -> Ledger:
    """A ledger with these manifests in its slots, and the floor they give."""
    newest = candidate or accepted
    held = slot(newest) if newest else None
    return Ledger(
        accepted=slot(accepted) if accepted else None,
        candidate=slot(candidate) if candidate else None,
        floor=held.version if held else 0,
        floor_sha256=held.sha256 if held else "",
        **more,
    )


def resolution(
    document: dict[str, Any] | Slot, ledger: Ledger | None = None, hardware: Hardware = AMD64
) -> Resolution:
    held = document if isinstance(document, Slot) else slot(document)
    return resolve(held, read_manifest(held.body.encode()), hardware, ledger or Ledger())


def target(document: dict[str, Any], ledger: Ledger | None = None) -> Target:
    """The target of *document* with all of its images here."""
    made = resolution(document, ledger)
    return Target(
        document["version"], document["deployment"], made.containers, (), made.considered, made.blocked
    )


def container(spec: ContainerSpec, status: Status = Status.RUNNING, /, **more: Any) -> Container:
    """A container of *spec*: running ones are ready since noon, ended ones ended at noon."""
    ended = status in (Status.EXITED, Status.DEAD)
    made = Container(
        id=f"{spec.digest[:8]}{spec.module}",
        name=spec.module,
        module=spec.module,
        spec=spec.digest,
        version=1,
        image=spec.image,
        variant=spec.variant,
        status=status,
        exit_code=1 if ended else None,
        started_at=None if status is Status.CREATED else NOON,
        finished_at=NOON if ended else None,
        health=Health(Readiness.READY, NOON) if status is Status.RUNNING else Health(),
    )
    return replace(made, **more)


def looked(*containers: Container, **more: Any) -> Observed:
    images = frozenset(one.image for one in containers)
    return Observed(containers, more.pop("images", images), **more)


def failing(why: str = "answered 503") -> Health:
    return Health(Readiness.FAILING, NOON, why)
