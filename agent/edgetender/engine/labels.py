"""What do our containers carry, so that the engine itself says what runs?"""

from __future__ import annotations

from collections.abc import Mapping

from edgetender.model.front import FrontSpec
from edgetender.model.host_port import HostPort
from edgetender.model.target import ContainerSpec

DEVICE = "io.edgetender.device"
MODULE = "io.edgetender.module"
VARIANT = "io.edgetender.variant"
VERSION = "io.edgetender.version"
SPEC = "io.edgetender.spec"
IMAGE = "io.edgetender.image"
SECRETS = "io.edgetender.secrets"  # by name, with commas; empty: none
STREAMS = "io.edgetender.streams"  # name=kind, with commas; empty: none
ROLE = "io.edgetender.role"  # empty: a module's container
FRONT = "io.edgetender.front"  # on a front: the digest of what it was made of
MECHANISM = "io.edgetender.mechanism"
PORTS = "io.edgetender.ports"  # on a front: the host ports it holds, address:port/protocol with commas

ROLE_FRONT = "front"

_PREFIX = "edgetender-"


def labels_of(spec: ContainerSpec, version: int, device: str) -> dict[str, str]:
    """Everything `Container` is read back from, were the agent's own state lost.

    Also what it has none of is said: a label that is left out is the image's to set.
    """
    return {
        DEVICE: device,
        MODULE: spec.module,
        VARIANT: spec.variant,
        VERSION: str(version),
        SPEC: spec.digest,
        IMAGE: spec.image,
        ROLE: "",
        SECRETS: ",".join(spec.secrets),
        STREAMS: ",".join(map("=".join, spec.streams)),
    }


def streams_of(marks: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Name and kind of the streams that a container with these labels may send messages on."""
    pairs = (one.partition("=") for one in marks.get(STREAMS, "").split(",") if one)
    return tuple((name, kind) for name, _, kind in pairs)


def container_name(spec: ContainerSpec) -> str:
    """One name per module and spec: the engine's refusal of a second one is our lock."""
    return f"{_PREFIX}{spec.module}-{spec.digest[:12]}"


def front_name(module: str) -> str:
    """One front per module; no module's container is called so, their names end in hexadecimal digits."""
    return f"{_PREFIX}{module}-front"


def network_name(device: str) -> str:
    """The network of this device's containers behind fronts."""
    return f"{_PREFIX}{device}"


def front_labels(spec: FrontSpec, device: str) -> dict[str, str]:
    ports = ",".join(f"{port.address}:{port.port}/{port.protocol}" for port in spec.host_ports)
    return {
        DEVICE: device,
        ROLE: ROLE_FRONT,
        MODULE: spec.module,
        MECHANISM: spec.mechanism,
        FRONT: spec.digest,
        PORTS: ports,
    }


def host_ports_of(marks: Mapping[str, str]) -> tuple[HostPort, ...] | None:
    """Those that a front with these labels holds; None where it does not say."""
    found = []
    for text in filter(None, marks.get(PORTS, "").split(",")):
        address, _, rest = text.rpartition(":")
        port, _, protocol = rest.partition("/")
        if not (port.isascii() and port.isdigit()):
            return None
        found.append(HostPort(int(port), protocol, address))
    return tuple(found) or None


def volume_name(volume: str) -> str:
    """A manifest can name only volumes that begin with our prefix: nobody else's can be mounted."""
    return f"{_PREFIX}{volume}"
