"""A stride of steps and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edgetender.errors import AgentError
from edgetender.model.front import FrontSpec, Member, Shadow
from edgetender.model.image import ImageTraits
from edgetender.model.target import ContainerSpec, ImageWanted


@dataclass(frozen=True, slots=True)
class Pull:
    """Have the puller fetch an image; returns at once, progress shows in Observed.pulls."""

    module: str
    image: ImageWanted


@dataclass(frozen=True, slots=True)
class Create:
    """Make the container, not started."""

    module: str
    spec: ContainerSpec
    version: int


@dataclass(frozen=True, slots=True)
class Start:
    module: str
    container: str
    again: bool = False  # it ran before: this counts as a restart


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGTERM, then SIGKILL after *grace_s*."""

    module: str
    container: str
    grace_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a container that does not run, or that must go whatever it does."""

    module: str
    container: str


@dataclass(frozen=True, slots=True)
class EnsureFront:
    """Have *front* hold the module's host ports; one that is made now sends requests to *member*."""

    module: str
    front: FrontSpec
    member: Member | None


@dataclass(frozen=True, slots=True)
class Point:
    """Send new requests to *member*; what others have begun they end."""

    module: str
    front: FrontSpec
    member: Member


@dataclass(frozen=True, slots=True)
class Compare:
    """Have copies of live requests go to *member*, and its answers compared; `Point` and `Forget` end it."""

    module: str
    front: FrontSpec
    member: Member
    wanted: Shadow


@dataclass(frozen=True, slots=True)
class Forget:
    """Take a container out of its front."""

    module: str
    container: str


@dataclass(frozen=True, slots=True)
class LowerFront:
    """Remove the module's front, which frees its host ports."""

    module: str


@dataclass(frozen=True, slots=True)
class RemoveImage:
    """Remove a local image that this agent fetched and that nothing needs any more."""

    image: str
    module: str = ""  # it is no module's


Step = (
    Pull | Create | Start | Stop | Remove | EnsureFront | Point | Compare | Forget | LowerFront | RemoveImage
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps that are safe now, and when to look again at the latest (None: nothing waits)."""

    steps: tuple[Step, ...] = ()
    wake_at: datetime | None = None
    held: tuple[tuple[str, str], ...] = ()  # (module, why) whose stride waits for a back-off
    queued: tuple[tuple[str, str], ...] = ()  # (module, why) whose start waits for other modules


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step; *error* None means done."""

    step: Step
    error: AgentError | None = None


@dataclass(frozen=True, slots=True)
class PullOutcome:
    """A finished pull: the digest it is pinned to now, or why it failed; neither after a mere look at it."""

    image: ImageWanted
    pinned: str | None = None
    error: AgentError | None = None
    seconds: float = 0.0
    size_bytes: int = 0
    fetched: bool = False  # it was not here before
    traits: ImageTraits | None = None  # what its configuration asks of the device
