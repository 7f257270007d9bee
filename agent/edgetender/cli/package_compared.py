"""Is the base image at fault? The same package on the default base, both looked into and, where an engine is, tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgetender.errors import EngineDown
from edgetender.packaging import oci_layout
from edgetender.packaging.builder import Built
from edgetender.packaging.image_facts import look
from edgetender.packaging.image_policy import judge
from edgetender.packaging.packager import Order, Packager
from edgetender.packaging.trial import attempt


def compare(packager: Packager, order: Order, built: Built) -> dict[str, Any]:
    """Make the package on the default base, as TAG-default-base; say of both what fits and whether it serves."""
    config = replace(order.config, base_image=None)
    other = replace(order, base=None, config=config, reference=f"{order.reference}-default-base")
    default = packager.image(other)
    return {
        "own": _seen(packager, order.reference, built),
        "default": _seen(packager, other.reference, default),
    }


def _seen(packager: Packager, reference: str, built: Built) -> dict[str, Any]:
    image = oci_layout.read(built.layout)
    faults = [
        f"{one.what} is {one.found}, wanted {one.wanted}"
        for one in judge(look(image), "edgetender")
        if one.fits is False
    ]
    seen: dict[str, Any] = {
        "image": reference,
        "digest": built.digest,
        "unfit": faults,
        "serves": None,
        "why": None,
    }
    try:
        engine = packager.workspace.engine()
        engine.load(image, reference)
        tried = attempt(engine, reference)
    except EngineDown as error:
        packager.say(f"not tried: {error}")
        return seen
    return seen | {"serves": tried.serves, "why": tried.why or None}


def comparison_lines(compared: dict[str, Any]) -> list[str]:
    """What was seen, and what follows from it."""
    if not compared:
        return []
    words = {True: "serves", False: "does not serve", None: "not tried"}
    lines = [""]
    for name, seen in compared.items():
        why = "; ".join(filter(None, (seen["why"], *seen["unfit"])))
        lines.append(f"{name} base: {words[seen['serves']]}{f': {why}' if why else ''}")
    own, default = compared["own"]["serves"], compared["default"]["serves"]
    if own is False and default:
        lines.append("the fault is the own base's: on the default base the same package serves")
    elif own is False and default is False:
        lines.append("the fault is not the base's: it does not serve on the default base either")
    return lines
