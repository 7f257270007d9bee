"""The seams between the loop and the world. Each has a fake in tests/fakes and one contract suite for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from edgetender.model.examined import Examined, Floor
from edgetender.model.figures import ContainerFigures, EngineFacts
from edgetender.model.front import FrontSpec, FrontState, Member, Shadow
from edgetender.model.image import Credential, ImageFacts, ImageReference
from edgetender.model.ledger import Decision, Delivery, HistoryEntry, Ledger
from edgetender.model.observed import Container, PullProgress
from edgetender.model.signed import Root
from edgetender.model.target import ContainerSpec
from edgetender.model.upstream import Link, Message, OutboxFigures


class Engine(Protocol):
    """The container engine, as far as we use it: a closed list of typed requests.

    Threads: every method may be called from any thread. Errors: EngineDown when it does not answer (each call
    is bounded in time), EngineRefused when it says no, DiskFull, NotFound. Only containers that carry this
    device's label exist for it.
    """

    def containers(self) -> tuple[Container, ...]:
        """All of ours, running or not; health is that of the engine's own check, if the image has one."""
        ...

    def images(self) -> frozenset[str]:
        """Every name that local images can be run by: ids (`sha256:…`), `repository@digest`, tags."""
        ...

    def create(self, spec: ContainerSpec, version: int) -> str:
        """Make the container and return its id; one of the same spec that exists already is adopted."""
        ...

    def start(self, container: str) -> None: ...  # one that somebody paused runs on

    def stop(self, container: str, grace_s: float) -> None:
        """Return once it has ended; done already is done."""
        ...

    def remove(self, container: str) -> None:
        """Return once it is gone; gone already is done."""
        ...

    def remove_image(self, name: str) -> None:
        """Return once *name* is gone; gone already is done. Raises EngineRefused where a container needs it.

        The image itself goes with its last name: what somebody else calls otherwise stays.
        """
        ...

    def pull(
        self,
        reference: ImageReference,
        credential: Credential | None,
        progress: Callable[[PullProgress], bool],
    ) -> None:
        """Fetch *reference* (pinned). *progress* is called on the way, at least once a second; False aborts.

        Raises PullStalled when aborted, RegistryDenied, RegistryUnreachable, ImageMissing, DiskFull.
        """
        ...

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        timestamps: bool = False,
        follow: bool = False,
    ) -> Iterator[str]:
        """Lines, oldest first, without their line ends; with *timestamps* each begins with its moment and a space."""
        ...

    def figures(self, containers: Sequence[Container]) -> tuple[ContainerFigures, ...]: ...

    def facts(self) -> EngineFacts: ...

    def free_bytes(self) -> int | None:
        """Free space where the engine keeps images; None where that is not a local path."""
        ...

    def watch(self, wake: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """Block and call *wake* at each event of a container of ours, until *stopping*. Raises EngineDown."""
        ...


class Front(Protocol):
    """The traffic switch: holds modules' host ports and decides which container receives new requests.

    Threads: one. Errors: EngineDown, EngineRefused (a port that is taken, an image that is missing), FrontDown
    while a front does not answer. Every method may be repeated; fronts of other devices do not exist for it.
    """

    def observe(self) -> tuple[FrontState, ...]:
        """All of ours, as the engine and they themselves tell it."""
        ...

    def ensure(self, spec: FrontSpec, member: Member | None) -> None:
        """Have it hold the module's ports; a new one sends to *member*. Raises CredentialUnusable, nothing changed."""
        ...

    def point(self, spec: FrontSpec, member: Member) -> None:
        """Send new requests to *member* and to nobody else, also after the front's restart.

        Until it is forgotten, whoever had them keeps those it has begun, and is asked what *member* lost.
        """
        ...

    def compare(self, spec: FrontSpec, member: Member, wanted: Shadow) -> None:
        """Copy live requests to *member* and compare its answers, until `point` or `forget`. Nobody waits for it."""
        ...

    def forget(self, module: str, container: str) -> None:
        """Take a container that receives nothing out; requests it still has end with it, or are asked again."""
        ...

    def lower(self, module: str) -> None:
        """Remove the module's front, and all it knew; gone already is done."""
        ...


class Images(Protocol):
    """What registries know."""

    def resolve(
        self,
        reference: ImageReference,
        *,
        credential: Credential | None,
        architecture: str,
        variant: str = "",
    ) -> ImageFacts:
        """Raises RegistryDenied, RegistryUnreachable, ImageMissing."""
        ...


class Credentials(Protocol):
    """Named secrets of this device."""

    def get(self, name: str, registry: str = "") -> Credential:
        """A token of *registry*'s perhaps. Raises CredentialUnusable, RegistryDenied, RegistryUnreachable."""
        ...


class Trust(Protocol):
    """Whose word counts here. From any thread."""

    def examine(self, body: bytes, now: datetime) -> Examined:
        """What is to be thought of *body*, a manifest as it arrived; *now* is trusted time. Raises Exhausted."""
        ...

    def today(self) -> Examined:
        """What a manifest that was taken before is measured by now: the owner's policy. Raises Exhausted."""
        ...

    def succeed(self, root: Root, body: bytes) -> Examined:
        """Make *root*, the document *body*, the one that counts: as it was examined, or why not. Raises Exhausted."""
        ...

    def floor(self) -> Floor | None:
        """What `keep` wrote last, as far as it can be read."""
        ...

    def keep(self, floor: Floor) -> bool:
        """Write it down where the ledger is not; False where that failed. Called by the loop alone."""
        ...


class Commands(Protocol):
    """Answers what is asked of this device from upstream. Threads: any. Bounded in time; never raises."""

    def __call__(self, name: str, request: Any, source: str, identity: str = "") -> tuple[int, Any]:
        """Status (as HTTP's) and answer, as JSON, to *request*; *source* is who asks, for the ledger.

        What changes the device happens once for each *identity*; one that comes again gets the first's answer.
        """
        ...


class Transport(Protocol):
    """A link to the cloud: manifests come down, reports go up.

    Threads: `open` returns at once and keeps the link up on threads of its own, where it also calls *accept*.
    When *accept* returns True the bytes are on disk, only then they are acknowledged; it never raises. `send`
    is called by the uplink thread alone and blocks; `close`, from any thread, makes a blocked `send` raise.
    """

    def answer(self, commands: Commands) -> None:
        """Pass what is asked of the device to *commands*, from `open` on; some transports ask nothing."""
        ...

    def open(self, accept: Callable[[bytes], bool], wake: Callable[[], None]) -> None: ...

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Return once the far side has it: at least once. Raises LinkDown when that did not happen."""
        ...

    def link(self) -> Link: ...

    def close(self) -> None: ...


class Sink(Protocol):
    """Where samples go: one call per interval with all of them."""

    def take(self, stream: str, sample: dict[str, object], now: datetime) -> None: ...


class HealthProbe(Protocol):
    """One question to a container: can you serve?"""

    def __call__(self, address: str, port: int, path: str, timeout_s: float) -> str | None:
        """Return None when ready, else why not. Never raises."""
        ...


class Exchange(Protocol):
    """One request to a container, for its proof."""

    def __call__(
        self, address: str, port: int, method: str, path: str, body: bytes, timeout_s: float
    ) -> tuple[int, bytes, float, str]:
        """Return status, body, seconds, and why there was no answer. Never raises."""
        ...


class Store(Protocol):
    """What survives: ledger, deliveries, history. Thread-safe. Durable when a call returns."""

    def deliver(self, kind: str, source: str, body: bytes, now: datetime) -> int:
        """Write down what arrived and return its id. Raises DiskFull, StoreDamaged."""
        ...

    def deliveries(self) -> tuple[Delivery, ...]:
        """Those not decided yet, oldest first."""
        ...

    def ledger(self) -> Ledger: ...

    def commit(
        self, ledger: Ledger, *, decisions: Iterable[Decision] = (), history: Iterable[HistoryEntry] = ()
    ) -> None:
        """Save the ledger, decide deliveries, insert or replace history entries (by epoch and version)."""
        ...

    def decision(self, delivery: int) -> Decision | None: ...

    def history(self, limit: int = 50) -> tuple[HistoryEntry, ...]:
        """Newest first."""
        ...


class Outbox(Protocol):
    """What waits to go up. State is one row per topic, the newest wins; messages queue, bounded, oldest dropped.

    Thread-safe.
    """

    def put_state(self, topic: str, body: bytes) -> bool:
        """Queue *body* unless it is what was acknowledged last; return whether anything is to be sent."""
        ...

    def append(
        self, topic: str, body: bytes, now: datetime, *, expiry_s: int | None = None, durable: bool = False
    ) -> bool:
        """Queue it. *durable*, or of a durable stream, it is on the disk on return; False: a full disk took it not."""
        ...

    def head(self, limit: int = 20) -> tuple[Message, ...]:
        """What is to be sent next: state first, then messages, oldest first."""
        ...

    def sent(self, message: Message, *, taken: bool = True) -> None:
        """The far side has *message*; a newer state of the same topic stays queued.

        Not *taken*: it will never have it, which counts as dropped (`refused`).
        """
        ...

    def resend_states(self) -> None:
        """Forget what was acknowledged: the far side may have lost it (a broker without persistence)."""
        ...

    def flush_due(self) -> None:
        """Commit what has been held in memory long enough; call it every few seconds."""
        ...

    def figures(self) -> OutboxFigures: ...
