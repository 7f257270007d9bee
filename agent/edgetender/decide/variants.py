"""Which variant of a module runs on this hardware, and why not the others? List order only. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from edgetender.decide.admitted import admitted
from edgetender.decide.checked import Checked, Truth
from edgetender.decide.failures import stands
from edgetender.decide.implied import implied
from edgetender.decide.look import Look, look_at
from edgetender.decide.predicates import predicates
from edgetender.model.hardware import Hardware
from edgetender.model.image import ImageTraits
from edgetender.model.ledger import Choice, Demotion
from edgetender.model.manifest import Module, Variant
from edgetender.model.target import Considered

_NO_TRAITS: Mapping[str, ImageTraits] = MappingProxyType({})
FITS = "fits"


@dataclass(frozen=True, slots=True)
class Known:
    """What else than the hardware a choice depends on. *traits* are by image as the manifest writes it."""

    demotions: tuple[Demotion, ...] = ()
    traits: Mapping[str, ImageTraits] = field(default_factory=lambda: _NO_TRAITS)
    pinned: str | None = None  # the variant a person wants, whatever was remembered of it
    held: Choice | None = None  # what it runs as; left only for a reason that is certain


@dataclass(frozen=True, slots=True)
class Judged:
    """One variant with everything that was looked at. *verdict*: chosen, eligible, rejected, demoted."""

    variant: Variant
    verdict: str
    because: str
    code: str
    checks: tuple[Checked, ...] = ()
    devices: tuple[str, ...] = ()  # the accelerators that were picked for it
    demotion: Demotion | None = None


def judged(name: str, module: Module, look: Look, known: Known) -> tuple[Judged, ...]:
    """One verdict for each variant, in the list's order; at most one is chosen."""
    fallen = {(d.variant, d.image): d for d in known.demotions if d.module == name and stands(d, look)}
    cannot = next((d for d in known.demotions if d.code in NO_INJECTION and stands(d, look)), None)
    found: list[Judged] = []
    chosen = False
    if known.held is not None:
        look = replace(look, preferred=frozenset(known.held.devices))
    for variant in module.choices:
        checks, devices = checked(variant, look, known.traits.get(variant.image))
        demotion = fallen.get((variant.name, variant.image)) or (cannot if _injected(look, devices) else None)
        failed = _deciding(checks, variant.allow_unknown)
        if failed is not None:
            verdict, because, code = "rejected", _because(failed), failed.code
        elif demotion is not None and known.pinned != variant.name:
            verdict, because, code = "demoted", demotion.reason, demotion.code or "demoted"
        elif known.pinned is not None and known.pinned != variant.name:
            verdict, because, code = "rejected", f"variant {known.pinned} is pinned", "pinned"
        elif chosen:
            verdict, because, code = "eligible", "not reached", "not_reached"
        else:
            chosen, verdict, because, code = True, "chosen", _fits(checks), FITS
        found.append(Judged(variant, verdict, because, code, checks, devices, demotion))
    return _kept(found, module, known) if known.held is not None and known.pinned is None else tuple(found)


def _kept(found: list[Judged], module: Module, known: Known) -> tuple[Judged, ...]:
    """The same with what runs already as the chosen one, as long as nothing certain speaks against it."""
    held = known.held
    place = next(
        (
            n
            for n, one in enumerate(found)
            if held and (one.variant.name, one.variant.image) == (held.variant, held.image)
        ),
        None,
    )
    if held is None or place is None:
        return tuple(found)
    mine = found[place]
    if mine.verdict == "rejected" and (why := _only_doubted(mine, module)):
        mine = replace(mine, because=why, code="held", devices=mine.devices or held.devices)
    elif mine.verdict not in ("chosen", "eligible"):
        return tuple(found)
    elif mine.verdict == "eligible":
        mine = replace(mine, because=_fits(mine.checks), code=FITS)
    out = []
    for number, one in enumerate(found):
        if number == place:
            out.append(replace(mine, verdict="chosen"))
        elif one.verdict in ("chosen", "eligible"):
            because, code = (_CLIMBS, CLIMBING) if number < place else ("not reached", "not_reached")
            out.append(replace(one, verdict="eligible", because=because, code=code))
        else:
            out.append(one)
    return tuple(out)


CLIMBING = "climbing"
_CLIMBS = "could run; taken when it has been so for 5 minutes"
_LOST = ("no_device", "gpu_lost", "not_healthy", "not_driven", "driver_missing")


def _only_doubted(mine: Judged, module: Module) -> str:
    """Why what runs is kept although it does not fit now: nobody knows, or a restart would only make it worse."""
    false = [one for one in mine.checks if one.truth is Truth.FALSE]
    codes = {one.code for one in false}
    if not false:
        unknown = [one for one in mine.checks if one.truth is Truth.UNKNOWN]
        if any(one.code == "unknown_predicate" for one in unknown):
            return ""
        return "kept: " + ", ".join(f"{one.name} is unknown now" for one in unknown)
    if codes <= {"driver_library_mismatch"}:
        return "kept while it runs: the driver was changed, start the machine anew"
    if module.on_device_loss == "hold" and codes <= set(_LOST):
        return f"waits for its accelerator: {_because(false[0])}"
    return ""


def checked(
    variant: Variant, look: Look, traits: ImageTraits | None
) -> tuple[tuple[Checked, ...], tuple[str, ...]]:
    """Every predicate of *variant*, written and implied, and the accelerators that were picked for it."""
    checks, devices = predicates(variant.requires, look)
    device = next((each for each in look.devices if devices and each.key == devices[0]), None)
    checks += admitted(variant.needs, look, device)
    if traits is not None:
        checks += implied(traits, look, device)
    return checks, devices


def choose(
    name: str,
    module: Module,
    hardware: Hardware,
    demotions: Iterable[Demotion],
    traits: Mapping[str, ImageTraits] = _NO_TRAITS,
) -> tuple[Variant | None, tuple[Considered, ...]]:
    """Return the first variant that fits and holds, and one verdict for each variant."""
    found = judged(name, module, look_at(hardware), Known(tuple(demotions), traits))
    chosen = next((each.variant for each in found if each.verdict == "chosen"), None)
    return chosen, considered(name, found)


def considered(name: str, found: Iterable[Judged]) -> tuple[Considered, ...]:
    """The verdicts as status and reports carry them."""
    return tuple(
        Considered(name, each.variant.name, each.verdict, each.because, each.variant.image, each.code)
        for each in found
    )


def misfit(variant: Variant, hardware: Hardware) -> str | None:
    """Return why *variant* cannot run here, None when it can. What is unknown does not count as there."""
    checks, _ = checked(variant, look_at(hardware), None)
    failed = _deciding(checks, variant.allow_unknown)
    return None if failed is None else _because(failed)


# The engine said that it cannot hand a device over: that holds for every variant that needs one.
NO_INJECTION = frozenset(
    {"toolkit_missing", "cdi_not_enabled_in_daemon", "cdi_spec_missing", "runtime_not_registered"}
)


def _injected(look: Look, devices: tuple[str, ...]) -> bool:
    """Whether the engine has to hand over what only NVIDIA's toolkit can."""
    return any(each.value("vendor") == "nvidia" for each in look.devices if each.key in devices)


def _deciding(checks: tuple[Checked, ...], allowed: tuple[str, ...]) -> Checked | None:
    """The check that excludes it: a false one before an unknown one. Implied ones exclude only when certain."""
    false = next((one for one in checks if one.truth is Truth.FALSE), None)
    unknown = (one for one in checks if one.truth is Truth.UNKNOWN and not one.implied)
    return false or next((one for one in unknown if not _allowed(one.name, allowed)), None)


def _allowed(name: str, allowed: tuple[str, ...]) -> bool:
    return name in allowed or name.rpartition(".")[2] in allowed


def _because(check: Checked) -> str:
    said = f" ({check.detail})" if check.detail else ""
    if check.code == "unknown_predicate":
        return check.detail
    if check.name == "accelerator":
        what = f"needs an {_MAKERS.get(check.wanted, check.wanted)} accelerator"
        if check.truth is Truth.UNKNOWN:
            return f"{what}, whether there is one is unknown{said}"
        return f"{what}, found none{said}"
    if check.truth is Truth.UNKNOWN:
        return f"needs {check.name} {check.wanted}, which is unknown here{said}"
    return f"needs {check.name} {check.wanted}, found {check.observed}{said}"


_MAKERS = {"nvidia": "NVIDIA", "intel": "Intel", "amd": "AMD"}


def _fits(checks: tuple[Checked, ...]) -> str:
    met = [f"{one.name} {one.wanted}" for one in checks if not one.implied]
    return "has " + ", ".join(met) if met else "needs nothing in particular"
