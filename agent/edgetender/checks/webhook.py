"""Does the owner's own service take the events?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip, warn
from edgetender.model.webhook import Reaction


def run(device: Device) -> Finding:
    if not (url := device.settings.events.webhook):
        return skip("no webhook is configured")
    if (answer := device.webhook) is None:
        return skip("only a running agent that had an event to post knows")
    match answer.reaction:
        case Reaction.TAKEN:
            return ok(f"{url} takes events")
        case Reaction.LATER:
            return warn(
                f"{url} takes no events: {answer.why}", "repair the service; it is asked every minute"
            )
        case Reaction.REPAIR:
            return fail(
                f"{url} takes no events: {answer.why}; they wait",
                "set events.webhook, events.webhook_credential: edgetender config show; "
                "then: systemctl restart edgetender",
            )
        case Reaction.REFUSED:
            return warn(
                f"{url} refused the newest event, which is lost to it: {answer.why}",
                "look in the service's log what it wants; edgetender events shows what it was sent",
            )


CHECK = Check(
    "webhook",
    "the webhook takes events",
    "connectivity",
    "Events wait on the disk meanwhile, the newest 1 MiB of a week; what the service refuses is not offered again.",
    run,
    needs=("config-parse",),
)
