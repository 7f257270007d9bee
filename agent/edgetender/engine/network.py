"""Where do containers behind fronts live? On a network of ours, each at an address that it keeps.

A front is told an address, and after a restart of the engine containers take addresses in the order of their
start: an address that is handed out could then be another module's. So ours are fixed, from the lower half of
the network's first 256; the engine hands out the rest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import docker
import docker.errors
from docker.types import IPAMConfig, IPAMPool

from edgetender.engine.labels import DEVICE, network_name
from edgetender.errors import EngineRefused


@dataclass(frozen=True, slots=True)
class Place:
    """A network and the address a container keeps there."""

    network: str
    address: str


def ensure(client: docker.APIClient, device: str) -> IPv4Network:
    """Return the subnet of this device's network, made now if it is not there."""
    name = network_name(device)
    if (found := _subnet(client, name, device)) is not None:
        return found
    # only a subnet that is asked for by name may hold fixed addresses, and only the engine knows a free one
    trial = client.create_network(f"{name}-trial", driver="bridge", labels={DEVICE: device})
    try:
        chosen = client.inspect_network(trial["Id"])["IPAM"]["Config"][0]["Subnet"]
    finally:
        client.remove_network(trial["Id"])
    subnet = IPv4Network(chosen)
    pool = IPAMPool(subnet=str(subnet), gateway=str(subnet[1]), iprange=str(_handed_out(subnet)))
    client.create_network(
        name,
        driver="bridge",
        ipam=IPAMConfig(pool_configs=[pool]),
        labels={DEVICE: device},
        check_duplicate=True,
    )
    return subnet


def place(client: docker.APIClient, device: str, ours: Iterable[Mapping[str, Any]]) -> Place:
    """Return a free address; *ours* are the inspected containers of this device, running or not."""
    name, subnet = network_name(device), ensure(client, device)
    taken = {address_of(container, name) for container in ours}
    for number in range(2, min(128, subnet.num_addresses // 2)):
        if (address := str(subnet[number])) not in taken:
            return Place(name, address)
    raise EngineRefused(f"cannot place one more container: every fixed address of {subnet} is taken")


def address_of(inspected: Mapping[str, Any], network: str) -> str | None:
    """The fixed address of a container on *network*, also while it does not run."""
    networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    config = (networks.get(network) or {}).get("IPAMConfig") or {}
    return config.get("IPv4Address")


def remove(client: docker.APIClient, device: str) -> None:
    """Take the network away if nobody is on it."""
    for network in client.networks(names=[network_name(device)]):
        if (network.get("Labels") or {}).get(DEVICE) == device:
            with contextlib.suppress(docker.errors.APIError):
                client.remove_network(network["Id"])


def _subnet(client: docker.APIClient, name: str, device: str) -> IPv4Network | None:
    for network in client.networks(names=[name]):  # the engine's filter takes parts of names too
        if network["Name"] != name:
            continue
        if (network.get("Labels") or {}).get(DEVICE) != device:
            raise EngineRefused(
                f"cannot use the network {name}: it is not this device's; remove or rename it"
            )
        return IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
    return None


def _handed_out(subnet: IPv4Network) -> IPv4Network:
    """The upper half of the first 256 addresses, or of all where there are fewer."""
    first = next(subnet.subnets(new_prefix=24)) if subnet.prefixlen < 24 else subnet  # noqa: PLR2004
    return list(first.subnets(prefixlen_diff=1))[1]
