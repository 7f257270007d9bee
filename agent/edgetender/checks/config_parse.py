"""Can the agent read its configuration?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok


def run(device: Device) -> Finding:
    if device.faults:
        more = f" (and {len(device.faults) - 1} more)" if len(device.faults) > 1 else ""
        return fail(f"{device.faults[0]}{more}", "edgetender config check")
    return ok(", ".join(map(str, device.files)) or "no file, only defaults")


CHECK = Check(
    "config-parse",
    "the configuration is sound",
    "configuration",
    "A daemon with a broken configuration does not start; one that runs keeps the old values until then.",
    run,
)
