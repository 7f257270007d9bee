"""What is about to happen here, and why this variant? What the device page shows beside the status. Pure."""

from __future__ import annotations

from typing import Any

from edgetender.model.hardware import Hardware
from edgetender.model.plan import Plan, Step, Stop
from edgetender.model.target import Target

_VERBS = {
    "Pull": "fetch the image of",
    "Create": "make a container for",
    "Start": "start",
    "Stop": "stop",
    "Remove": "remove a container of",
    "EnsureFront": "open the ports of",
    "Point": "send new requests to the new",
    "Compare": "compare answers to copies of live requests",
    "Forget": "let go of the old",
    "LowerFront": "close the ports of",
    "RemoveImage": "remove an image that nothing needs",
}
_SHOWN = ("model", "os", "arch", "cpu_model", "cpu_count", "memory_bytes", "accelerator")


def insight(target: Target, plan: Plan, hardware: Hardware) -> dict[str, Any]:
    """The last cycle's plan, every variant with its verdict, and the hardware in a few facts."""
    return {
        "plan": {
            "steps": [_said(step) for step in plan.steps],
            "held": [{"module": module, "why": why} for module, why in plan.held + plan.queued],
        },
        "variants": [
            {"module": one.module, "variant": one.variant, "verdict": one.verdict, "because": one.because}
            for one in target.considered
        ],
        "hardware": [
            {"name": name, "value": fact.value, "detail": fact.detail}
            for name in _SHOWN
            if (fact := hardware.fact(name)) is not None
        ],
    }


def _said(step: Step) -> str:
    kind = type(step).__name__
    why = f": {step.why}" if isinstance(step, Stop) and step.why else ""
    return f"{_VERBS.get(kind, kind)} {step.module}{why}"
