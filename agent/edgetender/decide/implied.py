"""What does an image ask of the device by itself? Its configuration's architecture, NVIDIA_REQUIRE_*, its code. Pure.

With CDI nobody else checks this: the container would start and its runtime fall to the CPU in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgetender.decide.checked import Checked, Truth, best, in_range, truth, worst
from edgetender.decide.look import NOWHERE, Look
from edgetender.model.compat import kernel_image_missing
from edgetender.model.hardware import Device
from edgetender.model.image import ImageFacts, ImageTraits
from edgetender.model.versions import Term, numbers

SASS, PTX = "io.edgetender.sass", "io.edgetender.ptx"
_TENSORRT = ("TENSORRT_VERSION", "TRT_VERSION", "NV_TENSORRT_VERSION")  # as NVIDIA's images name it
_READ = re.compile(rf"(NVIDIA_REQUIRE_\w+|NVIDIA_DISABLE_REQUIRE|CUDA_VERSION|{'|'.join(_TENSORRT)})=")
_IGNORED = ("NVIDIA_REQUIRE_JETPACK",)
_CONDITION = re.compile(r"(cuda|driver|arch|brand)\s*(>=|<=|!=|=|>|<)\s*(\S+)")
_TRUE = ("1", "t", "true", "yes", "on")


def traits_of(facts: ImageFacts) -> ImageTraits:
    """What is kept of an image's configuration."""
    labels = dict(facts.labels)
    return ImageTraits(
        facts.architecture,
        facts.variant,
        tuple(line for line in facts.env if _READ.match(line)),
        _list(labels.get(SASS, "")),
        _list(labels.get(PTX, "")),
        facts.download_bytes,
    )


def implied(
    traits: ImageTraits, look: Look, device: Device | None, *, tensorrt: bool = False
) -> tuple[Checked, ...]:
    """The image's own requirements; those of NVIDIA count where an NVIDIA *device* was picked.

    *tensorrt*: the variant is to run by it; many images bring it along and never use it.
    """
    found = list(_platform(traits, look))
    if device is not None and device.value("vendor") == "nvidia":
        lines = dict(line.partition("=")[::2] for line in traits.require)
        if lines.get("NVIDIA_DISABLE_REQUIRE", "").lower() not in _TRUE:
            found += _required(lines, look, device)
            found += _supported(lines, look, device, tensorrt=tensorrt)
        found += _code(traits, device)
    return tuple(found)


def _platform(traits: ImageTraits, look: Look) -> Iterator[Checked]:
    """`linux/amd64` also matches 386 images, arm64 also 32-bit ones: their architecture must be the promise."""
    fact = look.fact("arch")
    if traits.architecture and fact.value is not None:
        held = traits.architecture == fact.value
        code = "" if held else "wrong_architecture"
        yield Checked(
            "image.architecture", traits.architecture, str(fact.value), truth(held), fact.source, code,
            "" if held else "the image is built for another architecture", implied=True,
        )  # fmt: skip
    levels = {"amd64": "x86_level", "arm64": "arm64_level", "arm": "oci_variant"}
    if traits.variant and traits.architecture in levels and numbers(traits.variant):
        name = levels[traits.architecture]
        check = in_range("image.variant", f">={traits.variant}", look.fact(name))
        if traits.architecture != "arm64" or traits.variant != "v8":
            yield Checked(
                check.name, traits.variant, check.observed, check.truth, check.source,
                "wrong_architecture" if check.truth is Truth.FALSE else check.code, check.detail, implied=True,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Host:
    """What NVIDIA's conditions are about; None: not known."""

    cuda: str | None
    driver: str | None
    arch: str | None
    brand: str | None


def _required(lines: Mapping[str, str], look: Look, device: Device) -> Iterator[Checked]:
    asked = {
        name: text
        for name, text in lines.items()
        if name.startswith("NVIDIA_REQUIRE_") and name not in _IGNORED
    }
    if not asked and (version := numbers(lines.get("CUDA_VERSION", ""))):
        asked = {"CUDA_VERSION": f"cuda>={'.'.join(str(part) for part in version[:2])}"}
    host = _Host(
        _known(look.value("cuda")), _known(look.value("nvidia_driver")),
        _known(device.value("compute_capability")), _known(device.value("brand")),
    )  # fmt: skip
    for name, text in sorted(asked.items()):
        verdict = satisfied(text, host.cuda, host.driver, arch=host.arch, brand=host.brand)
        code = "" if verdict is Truth.TRUE else "driver_too_old_for_image"
        seen = f"cuda {host.cuda or 'unknown'}, driver {host.driver or 'unknown'}"
        yield Checked(f"image.{name}", text, seen, verdict, look.fact("cuda").source, code, implied=True)


def satisfied(
    text: str, cuda: str | None, driver: str | None, *, arch: str | None = None, brand: str | None = None
) -> Truth:
    """Whether NVIDIA's condition holds: a space is OR, a comma is AND. What cannot be read holds nothing back."""
    host = _Host(cuda, driver, arch, brand)
    alternatives = [
        worst(_condition(part, host) for part in alternative.split(",")) for alternative in text.split()
    ]
    return best(alternatives) if alternatives else Truth.TRUE


def _condition(text: str, host: _Host) -> Truth:
    match = _CONDITION.fullmatch(text)
    if match is None:
        return Truth.UNKNOWN
    name, operator, wanted = match.groups()
    found = getattr(host, name)
    if found is None:
        return Truth.UNKNOWN
    if name == "brand":
        same = _brand(found) == _brand(wanted)
        return truth(same is (operator == "="))
    have, need = numbers(found), numbers(wanted)
    if have is None or need is None:
        return Truth.UNKNOWN
    return truth(Term("==" if operator == "=" else operator, need).holds(have))


def _code(traits: ImageTraits, device: Device) -> Iterator[Checked]:
    fact = device.fact("compute_capability") or NOWHERE
    if not (traits.sass or traits.ptx) or fact.value is None:
        return
    integrated = device.value("kind") == "integrated"
    missing = kernel_image_missing(str(fact.value), traits.sass, traits.ptx, integrated=integrated)
    asked = ", ".join(traits.sass + tuple(f"{one} (PTX)" for one in traits.ptx))
    why = f"the image has no code for compute capability {fact.value}" if missing else ""
    code = "no_kernel_image" if missing else ""
    yield Checked(
        "image.sass", asked, str(fact.value), truth(not missing), fact.source, code, why, implied=True
    )


def _supported(lines: Mapping[str, str], look: Look, device: Device, *, tensorrt: bool) -> Iterator[Checked]:
    """Cards too old for the image's CUDA or TensorRT, by the tables; a card newer than both may do by PTX."""
    fact = device.fact("compute_capability") or NOWHERE
    if fact.value is None or fact.low:
        return
    cc, cuda = str(fact.value), lines.get("CUDA_VERSION", "")
    asked = [("image.CUDA_VERSION", cuda, look.tables.cuda_dropped(cc, cuda))]
    if tensorrt:
        version = next((lines[name] for name in _TENSORRT if name in lines), "")
        asked.append(("image.TENSORRT_VERSION", version, look.tables.tensorrt_excluded(cc, version)))
    source = f"{fact.source}, tables {look.tables.version}"
    for name, version, why in asked:
        if why:
            yield Checked(name, version, cc, Truth.FALSE, source, "card_not_supported", why, implied=True)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[\s,]+", text) if numbers(part))


def _known(value: object) -> str | None:
    return None if value is None else str(value)


def _brand(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
