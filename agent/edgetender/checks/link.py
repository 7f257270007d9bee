"""Is the agent connected upstream now?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip


def run(device: Device) -> Finding:
    if device.settings.transport.kind == "none":
        return skip("no transport is configured")
    if device.link is None:
        return skip("only a running agent knows")
    if device.link.connected:
        return ok(f"{device.link.endpoint} is connected")
    return fail(
        f"{device.link.endpoint} is not connected: {device.link.detail or 'it is being tried'}",
        "journalctl -u edgetender -g transport; it is tried again by itself",
    )


CHECK = Check(
    "link",
    "the agent is connected upstream",
    "connectivity",
    "Telemetry waits on the disk meanwhile, and nothing new can be deployed from afar.",
    run,
    needs=("config-parse", "dns", "upstream-tls"),
)
