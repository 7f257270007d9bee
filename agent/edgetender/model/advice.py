"""What will the author of a valid manifest wish to have written? Warnings, each with its path and code. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from edgetender.errors import Problem
from edgetender.model.image import parse_reference
from edgetender.model.manifest import Manifest, Module
from edgetender.model.requirements import Accelerator

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # named to warn of it
VENDORS = frozenset(
    {"amd", "google", "hailo", "intel", "mediatek", "none", "nvidia", "qualcomm", "rockchip"}
)  # as the probes name them


def advice(manifest: Manifest) -> tuple[Problem, ...]:
    """In the manifest's order; none of it keeps a device from taking it."""
    return tuple(
        problem for name, module in manifest.modules.items() for problem in _of(f"modules.{name}", module)
    )


def _of(path: str, module: Module) -> Iterator[Problem]:
    if module.image is not None:
        yield from _tag(f"{path}.image", module.image)
    for index, variant in enumerate(module.variants):
        yield from _tag(f"{path}.variants[{index}].image", variant.image)
        yield from _vendor(f"{path}.variants[{index}].requires.accelerator", variant.requires.accelerator)
    if module.resources.memory is None:
        said = (
            "no limit: a leak here takes the memory of its neighbours; say memory: 512MiB, or what it needs"
        )
        yield Problem(f"{path}.resources.memory", "memory.unlimited", said)
    if module.restart == "always" and module.health.http is None and not module.health.docker:
        said = (
            "readiness is not checked: a version counts as good when its container runs; say http or docker"
        )
        yield Problem(f"{path}.health", "health.unchecked", said)
    for index, port in enumerate(module.ports):
        if port.address in _EVERYWHERE:
            said = f"{port.host} is open on every address of the device; name one, or leave it at loopback"
            yield Problem(f"{path}.ports[{index}].address", "port.open", said)


def _tag(path: str, image: str) -> Iterator[Problem]:
    if parse_reference(image).digest is None:
        said = (
            "a tag may name something else tomorrow; add …@sha256:… (edgetender validate --resolve writes it)"
        )
        yield Problem(path, "image.tag", said)


def _vendor(path: str, wanted: Accelerator | None) -> Iterator[Problem]:
    asked = wanted.vendor if wanted is not None else None
    if asked is not None and not any(fnmatchcase(known, asked.lower()) for known in VENDORS):
        known = ", ".join(sorted(VENDORS - {"none"}))
        said = f"no probe of this release finds an accelerator of {asked!r}; they find {known}"
        yield Problem(f"{path}.vendor", "vendor.unknown", said)
