"""Which of the variants that can run is the quickest on this device? Each is tried once, then its figure decides. Pure.

A figure holds for one image on one hardware. List order decides between those that are about as quick: a variant is
passed over only for one that is better by what the manifest asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from edgetender.decide.fingerprint import fingerprint
from edgetender.decide.look import Look
from edgetender.model.ledger import Ledger, Measured
from edgetender.model.observed import Observed
from edgetender.model.target import ContainerSpec

MEASURING = "measuring"
_KEPT = 50  # figures: a module has some variants, and its earlier images may come again


@dataclass(frozen=True, slots=True)
class Entrant:
    """A variant that can run, as its figure decides of it. *there*: its image is here, or can be had."""

    figure: Measured | None = None
    there: bool = True


def part_of(devices: Sequence[str]) -> str:
    """The part of the hardware that a figure depends on: without an accelerator the processor alone."""
    return "cpu+driver+gpu" if devices else "cpu"


def holds(figure: Measured | None, look: Look, devices: Sequence[str]) -> bool:
    """Whether *figure* says how quick it would be now. What is not known at the moment moves nothing."""
    if figure is None:
        return False
    mine = [device for device in look.devices if device.key in devices]
    needed = [look.value("cpu_features")]
    if any(device.value("vendor") == "nvidia" for device in mine) and look.value("tegra") is not True:
        needed += [look.value("cuda"), look.value("nvidia_driver"), *(one.value("uuid") for one in mine)]
    return None in needed or figure.fingerprint == fingerprint(look, part_of(devices))


def preferred(entrants: Sequence[Entrant], min_gain: float, running: int | None = None) -> tuple[int, bool]:
    """The position of the one to run, and whether only to measure it. *running* is measured before others start.

    The first in the list that no other beats by *min_gain* (0.15 is 15 %); one that tells no times beats nobody.
    """
    unmeasured = [n for n, one in enumerate(entrants) if one.figure is None and one.there]
    if running in unmeasured:
        return running, True
    if unmeasured:
        return unmeasured[0], True
    times = {n: p95 for n, one in enumerate(entrants) if one.figure and (p95 := one.figure.p95_s) is not None}
    if not times:
        return next((n for n, one in enumerate(entrants) if one.there), 0), False
    quickest = min(times.values())
    within = (n for n, p95 in times.items() if quickest == p95 or quickest > p95 * (1 - min_gain))
    return next(within), False


def key_of(module: str, image: str) -> str:
    """The name of a figure in the ledger; *image* is by digest."""
    return f"{module} {image}"


def noted(
    ledger: Ledger,
    timed: Iterable[tuple[ContainerSpec, tuple[str, ...]]],
    observed: Observed,
    look: Look,
    now: datetime,
) -> Ledger:
    """The ledger with the figures of what has proven itself. *timed* are specs with their accelerators."""
    figures: Mapping[str, Measured] = ledger.measured
    for spec, devices in timed:
        ready = next((c for c in observed.of(spec.module) if c.spec == spec.digest and c.ready), None)
        key = key_of(spec.module, spec.image)
        if ready is None or holds(figures.get(key), look, devices):
            continue
        mine = Measured(ready.health.p95_s, fingerprint(look, part_of(devices)), now)
        rest = {name: one for name, one in figures.items() if name != key}
        figures = dict([*rest.items(), (key, mine)][-_KEPT:])
    return ledger if figures == ledger.measured else replace(ledger, measured=figures)


def in_words(figure: Measured | None) -> str:
    if figure is None:
        return "not measured yet"
    return f"p95 {figure.p95_s * 1000:.4g} ms here" if figure.p95_s is not None else "says no times"
