"""Is the hardware known, and can containers have its accelerator?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn
from edgetender.errors import AgentError
from edgetender.model.figures import EngineFacts
from edgetender.model.hardware import Hardware

_NEEDED = ("arch", "memory_bytes")
_TOOLKIT = (
    "apt-get install nvidia-container-toolkit && nvidia-ctk runtime configure && systemctl restart docker"
)


def run(device: Device) -> Finding:
    try:
        engine = device.engine.facts()
    except AgentError:
        engine = None  # docker-api says so
    return judge(device.hardware(), engine)


def judge(hardware: Hardware, engine: EngineFacts | None) -> Finding:
    """*engine* None: not known now."""
    unknown = [fact for fact in hardware.facts if fact.name in _NEEDED and fact.value is None]
    if unknown:
        said = "; ".join(f"{fact.name} is unknown: {fact.detail}" for fact in unknown)
        return warn(said, "edgetender hardware -o wide")
    accelerator = hardware.fact("accelerator")
    if accelerator is None or accelerator.value in (None, "none"):
        if hardware.value("nvidia_devices"):
            said = accelerator.detail if accelerator else "an NVIDIA device is there, but no driver"
            return warn(said, "apt-get install nvidia-driver, then reboot")
        return ok(f"{hardware.value('arch')}, no accelerator")
    if accelerator.value == "nvidia" and engine is not None and not _injects(engine):
        said = "the engine cannot hand the NVIDIA device to containers: no nvidia runtime, no CDI"
        return fail(said, _TOOLKIT)
    return ok(f"{hardware.value('arch')}, {accelerator.value} ({accelerator.detail})")


def _injects(engine: EngineFacts) -> bool:
    return "nvidia" in engine.runtimes or engine.cdi


CHECK = Check(
    "hardware",
    "the hardware is known and reaches containers",
    "runtime",
    "Variants are chosen by these facts: an accelerator that containers cannot have costs its variants.",
    run,
)
