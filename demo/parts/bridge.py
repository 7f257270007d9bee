"""Where do a private engine's containers get addresses that collide with nothing this host uses?"""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path

from demo.parts.process import PartFailed, held, run_to_end

# tried in order; outside 172.17-31, where other engines and VPNs tend to sit
_CANDIDATES = tuple(ipaddress.IPv4Network(f"10.213.{third}.0/24") for third in range(16, 240, 2))


def networks_in_use() -> list[ipaddress.IPv4Network]:
    """Every IPv4 destination in the kernel's routing table but the default route."""
    found = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        _, destination, _, _, _, _, _, mask = line.split()[:8]
        # the kernel prints both as little-endian hexadecimal
        numbers = [int.from_bytes(bytes.fromhex(text), "little") for text in (destination, mask)]
        if numbers[1]:
            address, netmask = (ipaddress.IPv4Address(number) for number in numbers)
            found.append(ipaddress.IPv4Network(f"{address}/{netmask}", strict=False))
    return found


def create(name: str) -> ipaddress.IPv4Network:
    """Make the bridge *name* (15 characters at most), give it the first free network's first address."""
    remove(name)
    for network in _CANDIDATES:
        try:
            # others make theirs at the same time, and the kernel knows of a network only when its bridge is up
            ours = held(f"network {network}")
        except OSError:
            continue
        with ours:
            if any(network.overlaps(other) for other in networks_in_use()):
                continue
            gateway = next(network.hosts())
            run_to_end(["ip", "link", "add", name, "type", "bridge"])
            run_to_end(["ip", "address", "add", f"{gateway}/{network.prefixlen}", "dev", name])
            run_to_end(["ip", "link", "set", name, "up"])
            return network
    raise PartFailed("cannot make a bridge: no free network between 10.213.16.0 and 10.213.239.255")


def remove(name: str) -> None:
    with contextlib.suppress(PartFailed):  # there is none, which is what was asked for
        run_to_end(["ip", "link", "delete", name])
