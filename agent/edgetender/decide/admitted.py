"""Is there room for what a variant uses? Judged by what the device has in all, before anything is pulled. Pure.

What happens to be free now says nothing of tomorrow and would make a fleet choose by chance; a container that
does not get what it needs is ended by the kernel, and that is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgetender.decide.checked import Checked, not_known, truth
from edgetender.decide.look import NOWHERE, Look
from edgetender.model.hardware import Device, Fact
from edgetender.model.requirements import Needs
from edgetender.model.units import size_text


def admitted(needs: Needs, look: Look, device: Device | None) -> tuple[Checked, ...]:
    """One check for the machine's memory and one for the accelerator's; one for both where it is one pool."""
    return tuple(_each(needs, look, device))


def _each(needs: Needs, look: Look, device: Device | None) -> Iterator[Checked]:
    own, shared = needs.memory or 0, needs.gpu_memory or 0
    machine = _machine(look)
    if device is not None and device.value("unified_memory") is True and own + shared:
        yield _room("needs.memory", own + shared, machine, "one pool for processor and accelerator")
        return
    if own:
        yield _room("needs.memory", own, machine)
    if shared:
        fact = device.fact("memory_bytes") if device is not None else None
        yield _room("needs.gpu_memory", shared, fact or NOWHERE)


def _machine(look: Look) -> Fact:
    """The machine's memory, or the control group's where that is less."""
    fact, limit = look.fact("memory_bytes"), look.fact("memory_limit_bytes")
    if isinstance(fact.value, int) and isinstance(limit.value, int) and limit.value < fact.value:
        return limit
    return fact


def _room(name: str, wanted: int, fact: Fact, detail: str = "") -> Checked:
    asked = size_text(wanted)
    if not isinstance(fact.value, int):
        return not_known(name, asked, fact)
    held = fact.value >= wanted
    code = "" if held else "too_small"
    return Checked(name, asked, size_text(fact.value), truth(held), fact.source, code, detail)
