"""Does an engine answer, and is it new enough?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok
from edgetender.errors import EngineDown, EngineRefused
from edgetender.model.versions import rank

_FLOOR = (1, 41)


def run(device: Device) -> Finding:
    try:
        facts = device.engine.facts()
    except EngineDown as error:
        return fail(str(error), "systemctl start docker")
    except EngineRefused as error:
        return fail(str(error), "apt-get install docker.io")
    told = f"{facts.version}, API {facts.api_version}"
    if rank(facts.api_version) < _FLOOR:
        return fail(f"{told}: 1.41 is needed (Docker Engine 20.10)", "apt-get install docker.io")
    return ok(f"{told} (1.41 or newer is needed)")


CHECK = Check(
    "docker-api",
    "a container engine answers and is new enough",
    "runtime",
    "Without an engine nothing can be started; what runs already goes on.",
    run,
    needs=("config-parse",),
)
