"""Which accelerator satisfies all of what is asked of one? It is pinned, so that the container gets that one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgetender.decide.checked import (
    Checked,
    Truth,
    equals,
    in_range,
    in_sizes,
    not_known,
    ranged,
    truth,
    worst,
)
from edgetender.decide.look import NOWHERE, Look
from edgetender.model.hardware import Device, Fact
from edgetender.model.requirements import Accelerator

# what must not be known to be false of a device that is to be used; what nobody knows is the probe's to find out
LAYERS = ("driven", "consistent", "healthy", "usable", "injectable")
_WORDS = {
    "driven": "no driver has taken it", "consistent": "its driver and its library do not fit",
    "healthy": "it does not answer", "usable": "it cannot be used", "injectable": "containers cannot have it",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Judged:
    device: Device
    checks: tuple[Checked, ...]

    @property
    def truth(self) -> Truth:
        return worst(one.truth for one in self.checks)


def accelerator(wanted: Accelerator, look: Look) -> tuple[tuple[Checked, ...], tuple[str, ...]]:
    """The predicates as the device that was picked, or comes closest, has them; and the keys of those picked."""
    judged = [_Judged(device, tuple(_device(wanted, device))) for device in look.devices]
    good = sorted(
        (one for one in judged if one.truth is Truth.TRUE), key=lambda one: _rank(one, look.preferred)
    )
    if wanted.count is not None:
        held = ranged(wanted.count).holds((len(good),))
        number = Checked(
            "accelerator.count",
            wanted.count,
            str(len(good)),
            truth(held),
            code="" if held else "out_of_range",
        )
        nearest = good[:1] or sorted(judged, key=_closeness)[:1]
        checks = (nearest[0].checks if nearest else ()) + (number,)
        return checks, tuple(one.device.key for one in good) if held else ()
    if good:
        return good[0].checks, (good[0].device.key,)
    if not judged:
        return (_nothing(wanted, look),), ()
    return min(judged, key=_closeness).checks, ()


def _nothing(wanted: Accelerator, look: Look) -> Checked:
    """No device at all; that is certain unless a probe that would have seen one could not look."""
    asked = f"{wanted.vendor or 'any'}"
    fact = look.fact("accelerator")
    if wanted.vendor == "nvidia" and fact.value is None:
        return not_known(
            "accelerator", asked, fact if fact is not NOWHERE else replace(NOWHERE, source="probes")
        )
    why = fact.detail if wanted.vendor in ("nvidia", None) else f"no {wanted.vendor} device"
    return Checked("accelerator", asked, "none", Truth.FALSE, fact.source, "no_device", why)


def _device(wanted: Accelerator, device: Device) -> Iterator[Checked]:
    """Everything asked of one device, its readiness first."""

    def fact(name: str) -> Fact:
        return device.fact(name) or replace(NOWHERE, name=name, source=device.key, detail="it does not say")

    for key in wanted.unknown:
        why = f"this agent is too old to judge accelerator.{key}"
        yield Checked(_named(key), "", "unknown", Truth.UNKNOWN, code="unknown_predicate", detail=why)
    if wanted.vendor is not None:
        yield equals(_named("vendor"), wanted.vendor, fact("vendor"))
    yield from _ready(device)
    for key, judge in _JUDGED.items():
        if (asked := getattr(wanted, key)) is not None:
            yield judge(_named(key), asked, fact(_FACTS.get(key, key)))
    if wanted.gfx is not None:
        yield _target(wanted.gfx, fact("gfx"))
    if wanted.mig is not None:
        instance = bool(device.value("mig_instance"))
        yield equals(_named("mig"), wanted.mig, Fact("mig", instance, device.key))


def _named(key: str) -> str:
    return f"accelerator.{key}"


_JUDGED = {
    "kind": equals, "name": equals, "compute_capability": in_range, "memory": in_sizes, "driver": in_range,
}  # fmt: skip
_FACTS = {"memory": "memory_bytes"}


def _ready(device: Device) -> Iterator[Checked]:
    for layer in LAYERS:
        found = device.fact(layer)
        if found is not None and found.value is False:
            why, code = found.detail or _WORDS[layer], found.code or f"not_{layer}"
            yield Checked(_named(layer), "yes", "no", Truth.FALSE, found.source, code, why)


def _target(wanted: tuple[str, ...], fact: Fact) -> Checked:
    asked = ", ".join(wanted)
    if fact.value is None:
        return not_known(_named("gfx"), asked, fact)
    held = str(fact.value) in wanted
    return Checked(_named("gfx"), asked, str(fact.value), truth(held), fact.source, "" if held else "differs")


def _closeness(one: _Judged) -> tuple[int, int, str]:
    """Who fails least speaks for all."""
    false = sum(check.truth is Truth.FALSE for check in one.checks)
    unknown = sum(check.truth is Truth.UNKNOWN for check in one.checks)
    return false, unknown, one.device.key


def _rank(one: _Judged, preferred: frozenset[str]) -> tuple[bool, int, str, str]:
    """What it has already, then most free memory, then the lowest PCI address."""
    free = one.device.value("memory_free_bytes")
    total = one.device.value("memory_bytes")
    size = free if isinstance(free, int) else total if isinstance(total, int) else 0
    return (
        one.device.key not in preferred,
        -size,
        str(one.device.value("pci") or one.device.key),
        one.device.key,
    )
