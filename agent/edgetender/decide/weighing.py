"""Does the candidate take more memory than it may, or far more than the version before it? Pure: from what was weighed.

With a limit of its own only the limit counts: its author knows what it takes. What comes close to it is about to be
killed by the kernel, in the middle of requests. Without one, what grows without bound is its neighbours' trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.decide.stride import on_trial
from edgetender.model.ledger import Ledger, Weighed
from edgetender.model.observed import Container, Observed
from edgetender.model.target import ContainerSpec, Target
from edgetender.model.units import size_text

CLOSE = 0.95  # of the limit
TIMES_MORE = 3.0  # than the version before
MORE_BYTES = 256 * 1024 * 1024  # what is more by less nobody misses
LASTS = timedelta(seconds=2)  # a peak of one look is none
_NEWS = 1.05  # the version before is noted anew when it takes so many times what is known: a flash card wears


def on_scales(target: Target, observed: Observed, ledger: Ledger) -> tuple[Container, ...]:
    """The running containers to be weighed: a candidate's new ones, and those that they replace."""
    if not on_trial(target, ledger):
        return ()
    found: list[Container] = []
    for spec in target.containers:
        there = observed.of(spec.module)
        if any(c.spec != spec.digest or c.version == target.version for c in there):
            found += (container for container in there if container.running)
    return tuple(found)


def weighed(
    ledger: Ledger, target: Target, observed: Observed, memory: Mapping[str, int], now: datetime
) -> Ledger:
    """Remember what was weighed: *memory* is in bytes, by container; who is not in it could not be."""
    if not on_trial(target, ledger):
        return replace(ledger, weighed={}) if ledger.weighed else ledger
    known = {name: one for name, one in ledger.weighed.items() if name in target.modules}
    for spec in target.containers:
        there = [c for c in observed.of(spec.module) if c.id in memory]
        if there:
            known[spec.module] = _weighed(spec, known.get(spec.module), there, memory, now)
    return ledger if known == ledger.weighed else replace(ledger, weighed=known)


def too_heavy(spec: ContainerSpec, ledger: Ledger, now: datetime) -> str | None:
    """Why the candidate's container takes too much; None while it does not, or not for long enough, or nobody knows."""
    found = ledger.weighed.get(spec.module)
    if found is None or found.candidate != spec.digest or found.over_since is None:
        return None
    if now - found.over_since < LASTS:
        return None
    took = size_text(found.over_bytes)
    if spec.memory_bytes is not None:
        return f"it takes {took} of the {size_text(spec.memory_bytes)} of memory that it may have"
    return f"it takes {took} of memory, the version before it took {size_text(found.before_bytes)}"


def in_doubt(ledger: Ledger, now: datetime) -> bool:
    """Whether something takes too much, for less time than would be held against it."""
    since = (one.over_since for one in ledger.weighed.values())
    return any(one is not None and now - one < LASTS for one in since)


def _weighed(
    spec: ContainerSpec,
    known: Weighed | None,
    there: list[Container],
    memory: Mapping[str, int],
    now: datetime,
) -> Weighed:
    if known is None or known.candidate != spec.digest:
        known = Weighed(spec.digest)
    before = max((memory[c.id] for c in there if c.spec != spec.digest), default=0)
    if before > known.before_bytes * _NEWS:
        known = replace(known, before_bytes=before)
    takes = max((memory[c.id] for c in there if c.spec == spec.digest), default=0)
    most = _most(spec, known.before_bytes)
    if most is None or takes < most:
        return replace(known, over_bytes=0, over_since=None)
    since = known.over_since
    return replace(known, over_bytes=takes, over_since=now if since is None or now < since else since)


def _most(spec: ContainerSpec, before_bytes: int) -> float | None:
    if spec.memory_bytes is not None:
        return CLOSE * spec.memory_bytes
    return max(TIMES_MORE * before_bytes, before_bytes + MORE_BYTES) if before_bytes else None
