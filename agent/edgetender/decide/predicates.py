"""Does the device have what a variant requires? Each predicate three-valued, with its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from edgetender.decide.accelerators import accelerator
from edgetender.decide.checked import (
    Checked,
    Truth,
    best,
    equals,
    has_all,
    in_range,
    in_sizes,
    inverse,
    not_known,
    ranged,
    truth,
    worst,
)
from edgetender.decide.look import Look
from edgetender.model.hardware import Fact
from edgetender.model.requirements import Board, Requires
from edgetender.model.versions import numbers

# key of `requires` -> the fact it is judged by
_VERSIONS = {
    "x86_level": "x86_level", "arm_level": "arm64_level", "cores": "cores", "kernel": "kernel", "glibc": "glibc",
    "l4t": "l4t", "jetpack": "jetpack", "docker": "docker", "toolkit": "toolkit", "driver": "nvidia_driver",
}  # fmt: skip
_JETSON_ONLY = ("l4t", "jetpack")
_SIZES = {"memory": "memory_bytes", "disk": "disk_bytes"}
_LISTS = {
    "cpu": "cpu_features", "arm_features": "cpu_features", "device_node": "device_nodes", "pci": "pci", "usb": "usb",
}  # fmt: skip


def predicates(requires: Requires, look: Look) -> tuple[tuple[Checked, ...], tuple[str, ...]]:
    """Every predicate of *requires*, and the keys of the devices that were picked for `accelerator`."""
    picked: tuple[str, ...] = ()
    found = list(_plain(requires, look))
    if requires.accelerator is not None and not requires.accelerator.none:
        checks, picked = accelerator(requires.accelerator, look)
        found += checks
    if requires.any_of is not None:
        either, one = _any_of(requires.any_of, look)
        found.append(either)
        picked = picked or one
    if requires.not_ is not None:
        inner, _ = predicates(requires.not_, look)
        held = inverse(worst(one.truth for one in inner))
        asked = ", ".join(f"{one.name} {one.wanted}" for one in inner)
        seen = ", ".join(one.observed for one in inner)
        found.append(Checked("not", asked, seen, held, code="" if held is Truth.TRUE else "excluded"))
    return tuple(found), picked


def _plain(requires: Requires, look: Look) -> Iterator[Checked]:
    for key in requires.unknown:
        yield _too_old(key)
    if requires.arch is not None:
        yield _arch(requires.arch, look)
    asked = requires.__dict__  # quicker than an attribute each: most are not asked for
    for facts, judge in ((_VERSIONS, in_range), (_SIZES, in_sizes), (_LISTS, has_all)):
        for key, name in facts.items():
            if (wanted := asked[key]) is not None:
                elsewhere = key in _JETSON_ONLY and look.value("tegra") is False
                yield _no_jetson(key, wanted, look) if elsewhere else judge(key, wanted, look.fact(name))
    if requires.cuda is not None:
        yield _cuda(requires.cuda, look)
    if requires.os is not None:
        yield _os(requires.os, look)
    if requires.device is not None:
        yield from _board(requires.device, look)
    yield from _labels(requires.label or {}, look)


def _labels(wanted: Mapping[str, str], look: Look) -> Iterator[Checked]:
    for name, value in wanted.items():
        fact = look.fact(f"label.{name}")
        absent = Fact(fact.name, "", "configuration", "the configuration has no such label")
        yield equals(f"label.{name}", value, fact if fact.value is not None else absent)


def _no_jetson(key: str, wanted: str, look: Look) -> Checked:
    source, why = look.fact("tegra").source, "this is no Jetson"
    return Checked(key, wanted, "none", Truth.FALSE, source, "no_jetson", why)


def _too_old(key: str) -> Checked:
    why = f"this agent is too old to judge {key}"
    return Checked(key, "", "unknown", Truth.UNKNOWN, code="unknown_predicate", detail=why)


def _arch(wanted: str, look: Look) -> Checked:
    """`arm64`, or with the variant that images name: `arm/v7`."""
    name, _, variant = wanted.partition("/")
    fact = look.fact("arch")
    found = equals("arch", name, fact)
    if found.truth is not Truth.TRUE or not variant:
        return found._replace(wanted=wanted)
    version = in_range("arch", f">={variant}", look.fact("oci_variant"))
    return version._replace(wanted=wanted, observed=f"{fact.value}/{version.observed}")


def _cuda(wanted: str, look: Look) -> Checked:
    """What a driver says it runs, and by NVIDIA's minor-version rule every other one of the same major."""
    fact, driver = look.fact("cuda"), look.value("nvidia_driver")
    plain = in_range("cuda", wanted, fact)
    if plain.truth is not Truth.FALSE or look.value("tegra") is True:
        return plain
    found = numbers(str(fact.value)) or (0,)
    for term in ranged(wanted).terms:
        least = ".".join(str(part) for part in term.wanted)
        by_rule = term.operator == ">=" and look.tables.runs_cuda(
            str(fact.value), str(driver) if driver else None, least
        )
        if not term.holds(found) and not by_rule:
            return plain
    why = f"driver {driver} runs every CUDA of its major"
    return plain._replace(truth=Truth.TRUE, code="", detail=why)


def _os(wanted: str, look: Look) -> Checked:
    full = equals("os", wanted, look.fact("os"))
    return (
        full
        if full.truth is Truth.TRUE or look.value("os_id") is None
        else equals("os", wanted, look.fact("os_id"))
    )


def _board(wanted: Board, look: Look) -> Iterator[Checked]:
    for key in wanted.unknown:
        yield _too_old(f"device.{key}")
    if wanted.model is not None:
        yield equals("device.model", wanted.model, look.fact("model"))
    if wanted.dt_compatible is not None:
        yield has_all("device.dt_compatible", wanted.dt_compatible, look.fact("dt_compatible"))
    if wanted.dmi is not None:
        vendor, product = look.fact("dmi_sys_vendor"), look.fact("dmi_product_name")
        if product.value is None:
            yield not_known("device.dmi", wanted.dmi, product)
        else:
            full = replace(product, value=f"{vendor.value or ''}/{product.value}")
            yield equals("device.dmi", wanted.dmi, full if "/" in wanted.dmi else product)


def _any_of(alternatives: tuple[Requires, ...], look: Look) -> tuple[Checked, tuple[str, ...]]:
    """True by its first alternative that is; its observed value tells of each."""
    judged = [predicates(each, look) for each in alternatives]
    truths = [worst(one.truth for one in checks) for checks, _ in judged]
    verdict = best(truths)
    asked = " or ".join(", ".join(f"{one.name} {one.wanted}" for one in checks) for checks, _ in judged)
    seen = " or ".join(", ".join(one.observed for one in checks) for checks, _ in judged)
    picked = next((keys for (_, keys), one in zip(judged, truths, strict=True) if one is Truth.TRUE), ())
    code = (
        ""
        if verdict is Truth.TRUE
        else next(
            (one.code for checks, _ in judged for one in checks if one.truth is verdict), "none_of_them"
        )
    )
    return Checked("any_of", asked, seen, verdict, code=code), picked


def holds(checks: tuple[Checked, ...]) -> Truth:
    return truth(True) if not checks else worst(one.truth for one in checks)
