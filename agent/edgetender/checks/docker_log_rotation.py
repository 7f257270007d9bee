"""Can the log of some container fill the disk?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, ok, warn

_BOUNDED = frozenset({"local", "journald", "syslog", "none"})
_REPAIR = (
    """write {"log-driver": "local"} to /etc/docker/daemon.json, then: systemctl restart docker """
    "(running containers keep their log until they are made anew)"
)


def run(device: Device) -> Finding:
    options = _options(device.root / "etc/docker/daemon.json")
    driver = device.engine.facts().log_driver
    if driver in _BOUNDED:
        return ok(f"the engine's log driver is {driver}, which bounds itself")
    if driver != "json-file":
        return ok(f"the engine's log driver is {driver or 'not told'}; modules get json-file, 3 times 10 MB")
    if options.get("max-size"):
        return ok(f"json-file, {options['max-size']} each")
    return warn("logs of containers other than modules grow without bound (json-file, no max-size)", _REPAIR)


def _options(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes()).get("log-opts")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


CHECK = Check(
    "docker-log-rotation",
    "container logs are bounded",
    "runtime",
    "Modules log at most 30 MB each, because the agent says so; other containers follow the engine's default, "
    "which is no bound at all, and a full disk stops every update.",
    run,
    needs=("docker-api",),
)
