"""What shall run: container specifications with every choice made, each with a digest of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import lru_cache

from edgetender.codec import canonical, sha256_hex
from edgetender.model.front import ANY, NONE, FrontPort, FrontSpec, Shadow
from edgetender.model.gate import OPEN, Gate
from edgetender.model.host_port import HostPort, PortMapping
from edgetender.model.image import ImageReference, parse_reference


@dataclass(frozen=True, slots=True)
class PublishedPort(PortMapping):
    certificate: str = ""  # the credential that clients are shown, in TLS; empty: the port is plain
    retry: str = ANY  # which requests without an answer its front asks again of another container


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume of the engine at *path*."""

    volume: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Proving:
    """What a started variant has to show before it counts as ready. *golden_…* are JSON, empty for none."""

    provider: str | None = None
    min_share: float = 0.0
    path: str | None = None
    port: int = 5001
    golden_path: str = "/score"
    golden_body: str = ""
    golden_expect: str = ""
    tolerance: float = 1e-3
    warmup: int = 3
    runs: int = 20
    p95_max_s: float | None = None
    timeout_s: float = 10.0
    timed: bool = False  # how long answers take is wanted, whatever p95_max says

    @property
    def reported(self) -> bool:
        """Whether the times are the container's own word: it has no known input to be asked with."""
        return (self.timed or self.p95_max_s is not None) and not self.golden_body


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """How readiness is judged: HTTP on *port* and *path*, the engine's own check, or (neither) that it runs."""

    port: int | None = None
    path: str = "/"
    by_engine: bool = False
    interval_s: float = 5.0
    timeout_s: float = 2.0
    failures: int = 3
    deadline_s: float = 120.0
    proving: Proving | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """Which accelerator the engine shall hand over. *ids* are what NVIDIA calls them (`GPU-…`, `MIG-…`).

    *runtime* is the engine's runtime where that does it; *nodes* and *groups* (numbers) are those of others.
    """

    vendor: str
    ids: tuple[str, ...] = ()
    runtime: str = ""
    nodes: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container, complete. *image* is pinned: `registry/repository@sha256:…`, or an image id."""

    module: str
    variant: str
    image: str
    command: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    mounts: tuple[Mount, ...] = ()
    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    read_only: bool = False
    capabilities: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    streams: tuple[tuple[str, str], ...] = ()  # name and kind of those it may send messages on
    gpu: bool = False
    restart: str = "always"
    stop_grace_s: float = 10.0
    health: HealthSpec = field(default_factory=HealthSpec)
    injection: Injection | None = None
    front: str = NONE  # by which mechanism requests reach it; none: it publishes its ports itself
    after: tuple[str, ...] = ()  # modules that must be ready before it is started

    @property
    def digest(self) -> str:
        """sha256 of the canonical form, 64 hex digits: two specs run the same container if it is equal.

        How readiness is judged, when to restart and after whom to start are the agent's business, not the
        container's: they are left out, so that a new probe interval restarts nothing. Behind a front the host's
        ports are the front's.
        """
        return _digest(self)

    @property
    def host_ports(self) -> tuple[HostPort, ...]:
        """Those it wants, whoever holds them for it."""
        return tuple(port.host_port for port in self.ports)

    @property
    def front_spec(self) -> FrontSpec | None:
        """The front that holds its host ports; None when it holds them itself."""
        if self.front == NONE:
            return None
        ports = tuple(
            FrontPort(
                p.host,
                p.container,
                p.protocol,
                p.address,
                p.container == self.health.port,
                p.certificate,
                p.retry,
            )
            for p in self.ports
        )
        return FrontSpec(self.module, self.front, ports)


@lru_cache(maxsize=256)  # each cycle asks for the same few many times
def _digest(spec: ContainerSpec) -> str:
    form = dataclasses.asdict(spec)
    for mine in ("health", "restart", "stop_grace_s", "variant", "front", "after"):
        del form[mine]
    if spec.front != NONE:
        form["ports"] = "front"
    else:
        for port in form["ports"]:
            del port["certificate"], port["retry"]  # a front's business
    for younger in (
        "injection",
        "read_only",
        "capabilities",
        "secrets",
        "streams",
    ):  # unused, they leave older containers alone
        if not form[younger]:
            del form[younger]
    return sha256_hex(canonical(form))


@dataclass(frozen=True, slots=True)
class ImageWanted:
    """An image some module needs here: what the manifest wrote, and by which named credential to get it.

    *looked* False: what it asks of the device is not known yet, so it is looked at before it is fetched.
    *disk_bytes* must be free for it.
    """

    module: str
    reference: str
    credential: str | None = None
    looked: bool = True
    disk_bytes: int = 0

    @property
    def parsed(self) -> ImageReference:
        return parse_reference(self.reference)


@dataclass(frozen=True, slots=True)
class Considered:
    """One variant and what was decided of it. *verdict*: chosen, eligible, rejected, demoted."""

    module: str
    variant: str
    verdict: str
    because: str
    image: str = ""
    code: str = ""  # why, in one word


@dataclass(frozen=True, slots=True)
class Target:
    """What the device shall converge to now.

    *fetch* are images wanted here without anything running from them yet (a candidate's); *blocked* says, per
    module, why a candidate cannot be turned into containers; *version* is that of the slot being applied.
    """

    version: int | None = None
    deployment: str = ""
    containers: tuple[ContainerSpec, ...] = ()
    fetch: tuple[ImageWanted, ...] = ()
    considered: tuple[Considered, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    prune: bool = True  # whether containers of modules that are not in it are removed
    gate: Gate = OPEN  # what a candidate waits for
    shadow: Shadow | None = None  # what a candidate has to show before requests come to it
    room_first: bool = False  # whether that comes before the new ones start, not after they are ready
    epoch: int = 0  # in which *version* counts, as the slot's

    @property
    def modules(self) -> frozenset[str]:
        return frozenset(spec.module for spec in self.containers)

    def spec(self, module: str) -> ContainerSpec | None:
        return next((spec for spec in self.containers if spec.module == module), None)
