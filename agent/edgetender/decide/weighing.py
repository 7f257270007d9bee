"""Does the candidate take more memory than it may, or far more than the version before it? Pure: from what was weighed.

With a limit of its own only the limit counts: its author knows what it takes. What comes close to it is about to be
killed by the kernel, in the middle of requests. Without one, what grows without bound is its neighbours' trouble; it is
compared with the same variant before it, for what CUDA takes says nothing of what the CPU took.
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
_DOUBTED = timedelta(seconds=10)  # for so long a peak puts off acceptance: an engine may not say more
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


def too_heavy(spec: ContainerSpec, ledger: Ledger) -> str | None:
    """Why the candidate's container takes too much; None while it does not, or not for long enough, or nobody knows."""
    found = ledger.weighed.get(spec.module)
    if found is None or found.candidate != spec.digest or not _lasts(found):
        return None
    took = size_text(found.over_bytes)
    if spec.memory_bytes is not None:
        return f"it takes {took} of the {size_text(spec.memory_bytes)} of memory that it may have"
    return f"it takes {took} of memory, the version before it took {size_text(found.before_bytes)}"


def in_doubt(ledger: Ledger, now: datetime) -> bool:
    """Whether something takes too much, for less time than would be held against it. Not for ever."""
    doubted = (one.over_since for one in ledger.weighed.values() if not _lasts(one))
    return any(since is not None and now - since < _DOUBTED for since in doubted)


def _lasts(found: Weighed) -> bool:
    """Whether it took too much at looks that lie so far apart, and between them."""
    since, at = found.over_since, found.over_at
    return since is not None and at is not None and at - since >= LASTS


def _weighed(
    spec: ContainerSpec,
    known: Weighed | None,
    there: list[Container],
    memory: Mapping[str, int],
    now: datetime,
) -> Weighed:
    if known is None or known.candidate != spec.digest:
        known = Weighed(spec.digest)
    others = (c for c in there if c.spec != spec.digest and c.variant == spec.variant)
    before = max((memory[c.id] for c in others), default=0)
    if before > known.before_bytes * _NEWS:
        known = replace(known, before_bytes=before)
    if not any(c.spec == spec.digest for c in there):
        return known
    takes = max(memory[c.id] for c in there if c.spec == spec.digest)
    most = _most(spec, known.before_bytes)
    if most is None or takes < most:
        return replace(known, over_bytes=0, over_since=None, over_at=None)
    since = now if known.over_since is None or now < known.over_since else known.over_since
    return replace(known, over_bytes=takes, over_since=since, over_at=now)


def _most(spec: ContainerSpec, before_bytes: int) -> float | None:
    if spec.memory_bytes is not None:
        return CLOSE * spec.memory_bytes
    return max(TIMES_MORE * before_bytes, before_bytes + MORE_BYTES) if before_bytes else None
