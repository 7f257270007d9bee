"""The traffic switch in words: which front a module has, where it sends new requests, what each server did."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

from edgetender.codec import canonical, sha256_hex
from edgetender.model.host_port import HostPort, PortMapping

PROXY, NAT, NONE = "proxy", "nat", "none"
ANY, IDEMPOTENT = "any", "idempotent"
FORM = 2  # of what fronts are told; one that another release set up in another form is made anew
FACT = "front"  # the fact's name: this device has an image for fronts


@dataclass(frozen=True, slots=True)
class FrontPort(PortMapping):
    """A host port the front holds for a container port. *http*: HTTP is spoken there.

    *certificate* names the credential that clients are shown, in TLS; empty: the port is plain. *retry* says which
    requests that got no answer are asked again of another container: any, or those that are idempotent.
    """

    http: bool = False
    certificate: str = ""
    retry: str = ANY


@dataclass(frozen=True, slots=True)
class FrontSpec:
    """One module's front, complete."""

    module: str
    mechanism: str  # proxy | nat
    ports: tuple[FrontPort, ...]

    @property
    def digest(self) -> str:
        """sha256 of the canonical form: two specs are the same front if it is equal."""
        return _digest(self)

    @property
    def host_ports(self) -> tuple[HostPort, ...]:
        return tuple(port.host_port for port in self.ports)

    @property
    def certificates(self) -> tuple[str, ...]:
        """The credentials it shows to clients, by name."""
        return tuple(sorted({port.certificate for port in self.ports} - {""}))


@lru_cache(maxsize=256)  # each cycle asks for the same few many times
def _digest(spec: FrontSpec) -> str:
    form = {**dataclasses.asdict(spec), "form": FORM}
    for port in form["ports"]:
        for younger, unused in (("certificate", ""), ("retry", ANY)):  # it leaves older fronts alone
            if port[younger] == unused:
                del port[younger]
    return sha256_hex(canonical(form))


@dataclass(frozen=True, slots=True)
class Member:
    """A container that a front can send requests to: its id and its address on the module network."""

    container: str
    address: str


@dataclass(frozen=True, slots=True)
class FrontServer:
    """A container behind a front, as the front itself tells it.

    *receives*: new requests go there. *connections* are those it still holds; *since_s* is how long *receives*
    has been as it is. The figures are totals, None where the mechanism cannot know them; *p95_ms* is of the
    newest *timed* answers.
    """

    container: str
    address: str
    receives: bool
    connections: int = 0
    since_s: float = 0.0
    requests: int | None = None
    errors: int | None = None
    mean_ms: float | None = None
    p95_ms: float | None = None
    timed: int = 0


@dataclass(frozen=True, slots=True)
class Shadow:
    """What is asked of a candidate before it receives requests: to answer copies of *requests* live ones as they were.

    Of them *max_disagreement* may have other answers (numbers may differ by *tolerance*, relatively), and their
    95th percentile may be *max_p95_ratio* times that of the live ones. Copied are GET and POST to *paths* (by how
    they begin). After *within_s* it is decided on what there is.
    """

    requests: int = 200
    max_disagreement: float = 0.01
    max_p95_ratio: float = 1.5
    within_s: float = 60.0
    tolerance: float = 1e-6
    paths: tuple[str, ...] = ("/score", "/v2/models")


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What came of copies so far. *disagreed* counts those without an answer too; *why* is of the first.

    *dropped* live requests were not copied because the candidate was behind.
    """

    container: str
    since_s: float
    compared: int = 0
    disagreed: int = 0
    dropped: int = 0
    live_p95_ms: float = 0.0
    copy_p95_ms: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class FrontState:
    """One front as it is. *spec* is the digest it was made of.

    *target* is the one container that receives new requests now and would after the front's restart; None while
    that is nobody, or two, or not known (*answers* is false while the front cannot be asked; it *hangs* where its
    process is there and says nothing). It is *stale* while it shows another certificate than the credential holds.
    """

    module: str
    mechanism: str
    spec: str
    running: bool
    answers: bool = True
    hangs: bool = False
    stale: bool = False
    target: Member | None = None
    servers: tuple[FrontServer, ...] = ()
    shadowed: Shadowed | None = None  # while copies of requests go to a candidate
    host_ports: tuple[HostPort, ...] | None = (
        None  # those it holds; None: an older release's, it does not say
    )

    def receives(self, container: str) -> bool:
        return any(server.container == container and server.receives for server in self.servers)

    def server(self, container: str) -> FrontServer | None:
        return next((server for server in self.servers if server.container == container), None)
