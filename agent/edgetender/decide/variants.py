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
from edgetender.decide.measuring import MEASURING, Entrant, holds, in_words, preferred
from edgetender.decide.predicates import predicates
from edgetender.model.hardware import Hardware
from edgetender.model.image import ImageTraits
from edgetender.model.ledger import Choice, Demotion, Measured
from edgetender.model.manifest import Module, Variant
from edgetender.model.requirements import Select
from edgetender.model.target import Considered

_NO_TRAITS: Mapping[str, ImageTraits] = MappingProxyType({})
_NO_FIGURES: Mapping[str, Measured] = MappingProxyType({})
FITS = "fits"


@dataclass(frozen=True, slots=True)
class Known:
    """What else than the hardware a choice depends on. *traits* are by image as the manifest writes it."""

    demotions: tuple[Demotion, ...] = ()
    traits: Mapping[str, ImageTraits] = field(default_factory=lambda: _NO_TRAITS)
    pinned: str | None = None  # the variant a person wants, whatever was remembered of it
    held: Choice | None = None  # what it runs as; left only for a reason that is certain
    figures: Mapping[str, Measured] = field(default_factory=lambda: _NO_FIGURES)  # by image as written
    unfetched: frozenset[str] = frozenset()  # images that could not be fetched the last time


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
    figure: Measured | None = None  # where the quickest is to be chosen


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
    if known.pinned is not None:
        return tuple(found)
    if module.select.mode == "measured":
        found = _by_figures(found, module.select, look, known)
    return _kept(found, module, known) if known.held is not None else tuple(found)


def _by_figures(found: list[Judged], select: Select, look: Look, known: Known) -> list[Judged]:
    """The same with the quickest of those that can run as the chosen one, or one that is to be measured."""
    usable = [n for n, one in enumerate(found) if one.verdict in ("chosen", "eligible")][: select.candidates]
    if len(usable) < 2:  # noqa: PLR2004  # nothing to compare
        return found
    figures = [known.figures.get(found[n].variant.image) for n in usable]
    figures = [
        figure if holds(figure, look, found[n].devices) else None
        for n, figure in zip(usable, figures, strict=True)
    ]
    entrants = [
        Entrant(figure, found[n].variant.image not in known.unfetched)
        for n, figure in zip(usable, figures, strict=True)
    ]
    mine = next((place for place, n in enumerate(usable) if _runs(found[n], known.held)), None)
    place, measuring = preferred(entrants, select.min_gain, mine)
    out = list(found)
    for position, (n, figure) in enumerate(zip(usable, figures, strict=True)):
        because = in_words(figure)
        if position == place:
            code = MEASURING if measuring else FITS
            because = f"being measured: {because}" if measuring else because
            out[n] = replace(found[n], verdict="chosen", because=because, code=code, figure=figure)
        else:
            code = TO_BE_MEASURED if figure is None else NOT_QUICKER
            out[n] = replace(found[n], verdict="eligible", because=because, code=code, figure=figure)
    return out


def _runs(one: Judged, held: Choice | None) -> bool:
    return held is not None and (one.variant.name, one.variant.image) == (held.variant, held.image)


def _kept(found: list[Judged], module: Module, known: Known) -> tuple[Judged, ...]:
    """The same with what runs already as the chosen one, as long as nothing certain speaks against it."""
    held = known.held
    place = next((n for n, one in enumerate(found) if _runs(one, held)), None)
    if held is None or place is None:
        return tuple(found)
    mine = found[place]
    if mine.verdict == "rejected" and (why := _only_doubted(mine, module)):
        mine = replace(mine, because=why, code="held", devices=mine.devices or held.devices)
    elif mine.verdict not in ("chosen", "eligible"):
        return tuple(found)
    elif mine.verdict == "eligible":
        mine = replace(mine, because=mine.because if _compared(mine) else _fits(mine.checks), code=FITS)
    out = []
    for number, one in enumerate(found):
        if number == place:
            out.append(replace(mine, verdict="chosen"))
        elif _compared(one):
            out.append(_rival(one, held))
        elif one.verdict in ("chosen", "eligible"):
            because, code = (_CLIMBS, CLIMBING) if number < place else ("not reached", "not_reached")
            out.append(replace(one, verdict="eligible", because=because, code=code))
        else:
            out.append(one)
    return tuple(out)


def _compared(one: Judged) -> bool:
    """Whether it is among those of which the quickest is chosen."""
    return one.code in (MEASURING, TO_BE_MEASURED, NOT_QUICKER) or one.figure is not None


def _rival(one: Judged, held: Choice) -> Judged:
    """One that figures speak for while another runs: at once if that is only being measured, else in its time."""
    if one.verdict != "chosen":
        return one
    if held.waits and held.better == one.variant.name:
        code = MEASURING if one.code == MEASURING else SETTLING if held.measuring else CLIMBING
        return replace(one, verdict="eligible", because=f"{in_words(one.figure)}; {held.waits}", code=code)
    if one.code == MEASURING:
        return replace(one, verdict="eligible", because="is measured next")
    code = SETTLING if held.measuring else CLIMBING
    return replace(one, verdict="eligible", because=f"{one.because}; {_CLIMBS}", code=code)


TO_BE_MEASURED, NOT_QUICKER, SETTLING = "to_be_measured", "not_quicker", "settling"
CLIMBING = "climbing"
UPWARDS = (CLIMBING, SETTLING, MEASURING)  # of one that can run: it will
_CLIMBS = (
    "could run; taken once it has been so for long enough (hardware.climb_after_s), at most once an hour"
)
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
        tensorrt = variant.provider == "TensorrtExecutionProvider"
        checks += implied(traits, look, device, tensorrt=tensorrt)
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
        maker = _MAKERS.get(check.wanted)
        what = f"needs an {maker} accelerator" if maker else f"needs the accelerator {check.wanted}"
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
