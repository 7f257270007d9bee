"""What do all strides share? The names of attempts, when to try again, which container to keep. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from edgetender.decide.backoff import STEADY, due_at, is_due
from edgetender.model.ledger import Attempt, Ledger
from edgetender.model.observed import Container, Observed, Status
from edgetender.model.plan import Remove, Step, Stop
from edgetender.model.target import ContainerSpec, Target

Waits = dict[str, tuple[datetime, str]]  # by module: until when, and why

EXITED = "container.exited"  # the code of an attempt whose container ended by itself
_GRACE_S = 10.0  # of what the target no longer has


def pull_key(reference: str) -> str:
    """The name of pulling *reference* in the ledger's attempts."""
    return f"pull:{reference}"


def fetch_anew(attempts: Mapping[str, Attempt]) -> dict[str, Attempt]:
    """*attempts* without the failed pulls that only wait for their own back-off.

    Whoever sends a manifest may have repaired what those failed at: a credential, a right, a missing image. What a
    registry asked for (its Retry-After) still holds: a whole fleet is told at once.
    """
    return {key: one for key, one in attempts.items() if one.asked_s or not key.startswith(pull_key(""))}


def image_key(name: str) -> str:
    """The name of removing the image *name* in the ledger's attempts."""
    return f"image:{name}"


def run_key(module: str, spec: str) -> str:
    """The name of keeping one container spec running in the ledger's attempts."""
    return f"run:{module}:{spec[:12]}"


def front_key(spec: ContainerSpec) -> str:
    """The name of keeping one container spec behind its front in the ledger's attempts.

    What its front failed at with another version says nothing of this one.
    """
    front = spec.front_spec
    return f"front:{spec.module}:{spec.digest[:12]}:{front.digest[:12] if front else ''}"


def may_try(key: str, module: str, ledger: Ledger, now: datetime, waits: Waits) -> bool:
    """Whether the last failure of *key* is long enough ago; else *waits* says until when."""
    attempt = ledger.attempts.get(key)
    if attempt is None or is_due(key, attempt, now):
        return True
    wait = (due_at(key, attempt), attempt.reason)
    waits[module] = min(wait, waits.get(module, wait))
    return False


def ended_once(container: Container, attempt: Attempt | None) -> bool:
    """Whether its end is the first failure in a row, and came after a steady run: its requests wait for it.

    Such an end is mostly a kill, by hands or for want of memory. The next one waits for its back-off.
    """
    if attempt is None or attempt.code != EXITED or attempt.failures + attempt.excused > 1:
        return False
    began, ended = container.started_at, container.finished_at
    return began is not None and ended is not None and ended - began >= STEADY


def on_trial(target: Target, ledger: Ledger) -> bool:
    """Whether *target* is that of a candidate, not judged yet."""
    slot = ledger.candidate
    return slot is not None and (target.epoch, target.version) == slot.edition


def farewell(container: Container, why: str, *, keep: bool = False) -> Iterator[Step]:
    """Stop it if it runs, and remove it unless it is to be kept."""
    if container.running:
        yield Stop(container.module, container.id, _GRACE_S, why)
    if not keep:
        yield Remove(container.module, container.id)


def restarts(policy: str, exit_code: int | None) -> bool:
    return policy == "always" or (policy == "on-failure" and exit_code != 0)


def reached(spec: ContainerSpec, container: Container, observed: Observed) -> bool:
    """Whether requests to the module come to *container*: by its own ports, or by the module's front."""
    if spec.front_spec is None:
        return True
    front = observed.front(spec.module)
    return front is not None and front.target is not None and front.target.container == container.id


def is_done(spec: ContainerSpec, container: Container) -> bool:
    """Whether it ended well and is not meant to run on: a job that did its work."""
    return container.status is Status.EXITED and container.exit_code == 0 and spec.restart != "always"


def is_good(spec: ContainerSpec, observed: Observed) -> bool:
    """Ready and reached, or a job that did its work."""
    mine = (container for container in observed.of(spec.module) if container.spec == spec.digest)
    return any(
        (container.ready and reached(spec, container, observed)) or is_done(spec, container)
        for container in mine
    )


def unready(spec: ContainerSpec, target: Target, observed: Observed) -> tuple[str, ...]:
    """The modules that *spec* is to start after and that cannot serve yet."""
    wished = ((name, target.spec(name)) for name in spec.after)
    return tuple(name for name, other in wished if other is None or not is_good(other, observed))


def preference(container: Container) -> tuple[bool, bool, bool, str]:
    """Running first, then created, then ended, then by id: which of several equal containers to keep."""
    status = container.status
    return (not container.running, status is not Status.CREATED, status is not Status.EXITED, container.id)
