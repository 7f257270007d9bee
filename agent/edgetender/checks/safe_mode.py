"""Does the agent trust itself?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip
from edgetender.decide.safe_mode import safe_mode


def run(device: Device) -> Finding:
    if device.ledger is None:
        return skip("only the agent knows, and it does not run")
    if (why := safe_mode(device.ledger)) is not None:
        repair = "edgetender support-bundle, journalctl -u edgetender; then: edgetender release"
        return fail(why, repair)
    return ok("the agent does not hold itself back")


CHECK = Check(
    "safe-mode",
    "the agent does its work",
    "runtime",
    "An agent that fails again and again keeps what runs and applies nothing new, until somebody releases it.",
    run,
)
