"""Do the names resolve that the agent must reach?"""

from __future__ import annotations

import ipaddress

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip


def run(device: Device) -> Finding:
    names = hosts(device)
    if not names:
        return skip("no name is configured or deployed")
    broken = {}
    for name in names:
        try:
            device.network.resolve(name)
        except OSError as error:
            broken[name] = error.strerror or "no answer in time"
    if broken:
        said = "; ".join(f"{name}: {why}" for name, why in broken.items())
        return fail(said, f"getent hosts {next(iter(broken))}; cat /etc/resolv.conf")
    return ok(", ".join(names))


def hosts(device: Device) -> tuple[str, ...]:
    """The names, without addresses, of the broker and of the registries in use."""
    transport = device.settings.transport
    found = [transport.host] if transport.kind == "mqtt" else []
    found += list(device.settings.registries)
    found += [wanted.parsed.registry for wanted in device.wanted or ()]
    return tuple(dict.fromkeys(name for one in found if (name := _name(one)) and not _is_address(name)))


def _name(host: str) -> str:
    return host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


CHECK = Check(
    "dns",
    "the broker's and the registries' names resolve",
    "connectivity",
    "Nothing can be pulled from, and nothing reported to, a name that has no address.",
    run,
    needs=("config-parse",),
)
