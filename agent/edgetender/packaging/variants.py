"""How does one model become images for several kinds of hardware? A variant each, an index over its platforms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging import oci_layout
from edgetender.packaging.accelerators import PREFERENCE
from edgetender.packaging.builder import Built
from edgetender.packaging.image_store import split
from edgetender.packaging.packager import Order, Packager

_KEYED = re.compile(r"^(?P<variant>[a-z0-9]+)?(?:@(?P<platform>linux/[\w/]+))?=(?P<value>.+)$")


@dataclass(frozen=True, slots=True)
class MadeVariant:
    """One variant's image, or index where it is for several platforms; *sizes* in bytes, packed, by platform."""

    name: str
    reference: str
    digest: str
    layout: Path
    requires: Mapping[str, Any]
    sizes: Mapping[str, int]
    built: tuple[Built, ...]

    @property
    def pinned(self) -> str:
        """How a manifest names it: by digest."""
        return f"{split(self.reference)[0]}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Bases:
    """Which base goes with a variant on a platform; the more closely named one first."""

    given: Mapping[tuple[str, str], str]

    def of(self, variant: str, platform: str) -> str | None:
        keys = ((variant, platform), (variant, ""), ("", platform), ("", ""))
        return next((self.given[key] for key in keys if key in self.given), None)


def read_bases(texts: Sequence[str]) -> Bases:
    """Read `BASE`, `VARIANT=BASE`, `@PLATFORM=BASE` and `VARIANT@PLATFORM=BASE`. Raises ConfigInvalid."""
    given: dict[tuple[str, str], str] = {}
    for text in texts:
        match = _KEYED.match(text)
        named = match is not None and (match["variant"] or "") in ("", *PREFERENCE)
        if match is not None and named and (match["variant"] or match["platform"]):
            key, value = (match["variant"] or "", match["platform"] or ""), match["value"]
        else:
            key, value = ("", ""), text
        if key in given:
            raise ConfigInvalid(
                (Problem("--base", "value.twice", f"{text!r}: a base for that is given already"),)
            )
        given[key] = value
    return Bases(given)


def make(
    packager: Packager,
    order: Order,
    variants: Sequence[str],
    platforms: Sequence[str],
    bases: Bases,
    out: Path | None = None,
) -> tuple[MadeVariant, ...]:
    """Make every variant for every platform, the preferred ones first; none: one image without a variant's name.

    Layouts go below *out*, by variant, or to the image store as `TAG-VARIANT`. Raises as `Packager.image`.
    """
    unknown = sorted(set(variants) - set(PREFERENCE))
    if unknown:
        text = f"{', '.join(unknown)}: not one of {', '.join(PREFERENCE)}"
        raise ConfigInvalid((Problem("--variant", "value.unknown", text),))
    made = []
    for name in [one for one in PREFERENCE if one in variants] or [""]:
        reference = f"{order.reference}-{name}" if name else order.reference
        kind = replace(order, reference=reference, accelerator=name or order.accelerator, required=bool(name))
        place = out / name if out is not None and name else out
        made.append(_one(packager, kind, name, platforms, bases, place))
    return tuple(made)


def _one(
    packager: Packager, order: Order, name: str, platforms: Sequence[str], bases: Bases, out: Path | None
) -> MadeVariant:
    with TemporaryDirectory(prefix="variant-", dir=packager.workspace.layers().root) as scratch:
        built = [
            packager.image(
                replace(order, platform=platform, base=bases.of(name, platform)), Path(scratch, str(number))
            )
            for number, platform in enumerate(platforms)
        ]
        images = [oci_layout.read(one.layout) for one in built]
        if out is not None:
            digest = oci_layout.write_several(images, out, name=order.reference)
        else:
            with packager.workspace.images.making(order.reference) as part:
                digest = oci_layout.write_several(images, part, name=order.reference)
    requires: dict[str, Any] = {} if order.accelerator == "cpu" else {"accelerator": "nvidia"}
    if len(platforms) == 1:
        requires = {"arch": platforms[0].split("/")[1], **requires}
    return MadeVariant(
        name or "default",
        order.reference,
        digest,
        out if out is not None else packager.workspace.images.place(order.reference),
        requires,
        {one.platform: sum(layer.size_bytes for layer in one.layers) for one in built},
        tuple(built),
    )
