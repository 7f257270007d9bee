"""Which variant of a module runs on this hardware, and why not the others? List order only."""

from __future__ import annotations

from collections.abc import Iterable

from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Demotion
from edgetender.model.manifest import Module, Variant
from edgetender.model.target import Considered


def choose(
    name: str, module: Module, hardware: Hardware, demotions: Iterable[Demotion]
) -> tuple[Variant | None, tuple[Considered, ...]]:
    """Return the first variant that fits and holds, and one verdict for each variant."""
    fallen = {(d.variant, d.image): d for d in demotions if d.module == name}
    chosen: Variant | None = None
    considered = []
    for variant in module.choices:
        demotion = fallen.get((variant.name, variant.image))
        if (because := misfit(variant, hardware)) is not None:
            verdict = "rejected"
        elif demotion is not None:
            verdict, because = "demoted", demotion.reason
        elif chosen is None:
            chosen, verdict, because = variant, "chosen", _fits(variant, hardware)
        else:
            verdict, because = "eligible", "not reached"
        considered.append(Considered(name, variant.name, verdict, because, variant.image))
    return chosen, tuple(considered)


def misfit(variant: Variant, hardware: Hardware) -> str | None:
    """Return why *variant* cannot run here, None when it can. What is unknown does not count as there."""
    needs = variant.requires
    if unknown := sorted(needs.model_extra or {}):
        return f"this agent is too old to judge {', '.join(unknown)}"
    if needs.arch is not None:
        arch = hardware.value("arch")
        if arch is None:
            return "needs arch " + needs.arch + ", which is unknown here"
        if arch != needs.arch:
            return f"needs arch {needs.arch}, found {arch}"
    if needs.accelerator == "nvidia":
        accelerator = hardware.fact("accelerator")
        if accelerator is None or accelerator.value is None:
            detail = f" ({accelerator.detail})" if accelerator and accelerator.detail else ""
            return f"needs an NVIDIA accelerator, whether there is one is unknown{detail}"
        if accelerator.value != "nvidia":
            return f"needs an NVIDIA accelerator, found {accelerator.value}"
    return None


def _fits(variant: Variant, hardware: Hardware) -> str:
    needs = variant.requires
    met = []
    if needs.arch is not None:
        met.append(f"arch {needs.arch}")
    if needs.accelerator == "nvidia":
        fact = hardware.fact("accelerator")
        met.append(f"accelerator nvidia ({fact.source})" if fact else "accelerator nvidia")
    return "has " + ", ".join(met) if met else "needs nothing in particular"
