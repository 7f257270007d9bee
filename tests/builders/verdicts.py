"""What becomes of one variant on some hardware, in one word."""

from __future__ import annotations

from typing import Any

from edgetender.decide.checked import Truth
from edgetender.decide.look import look_at
from edgetender.decide.variants import Judged, Known, judged
from edgetender.model.hardware import Hardware
from edgetender.model.manifest import Module
from tests.builders.hardware import variant
from tests.builders.manifests import image


def module_of(*variants: dict[str, Any]) -> Module:
    return Module.model_validate({"variants": list(variants)})


def judge(requires: dict[str, Any], hardware: Hardware, **more: Any) -> Judged:
    traits = more.pop("traits", None)
    known = Known(traits={image("v"): traits} if traits else {})
    (found,) = judged("m", module_of(variant("v", requires, **more)), look_at(hardware), known)
    return found


def verdict(requires: dict[str, Any], hardware: Hardware, **more: Any) -> str:
    """`true`, or false or unknown with the reason's code."""
    found = judge(requires, hardware, **more)
    if found.verdict == "chosen":
        return "true"
    deciding = next(one for one in found.checks if one.truth is not Truth.TRUE and one.code == found.code)
    return f"{deciding.truth} {found.code}"
