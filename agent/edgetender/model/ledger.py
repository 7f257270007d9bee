"""What the agent remembers between cycles and over restarts. Values only: the store saves it whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from edgetender.model.edition import Edition
from edgetender.model.front import Shadowed
from edgetender.model.gate import NO_PASSAGE, Hold, Passage, Release
from edgetender.model.image import ImageTraits
from edgetender.model.target import Injection

BY_ITSELF = "agent"  # who takes a version back that does not hold

_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Slot:
    """A manifest that was admitted. *body* is its canonical JSON, *sha256* of that body."""

    deployment: str
    version: int
    sha256: str
    body: str
    source: str
    received_at: datetime
    epoch: int = 0  # of the trust root it was signed under; 0: it was not signed
    without: tuple[str, ...] = ()  # modules that stay as they were before, each with its reason
    trace: str = ""  # the traceparent it was pushed with

    @property
    def edition(self) -> Edition:
        return self.epoch, self.version


@dataclass(frozen=True, slots=True)
class Attempt:
    """Failures in a row of one thing (`pull:<reference>`, `run:<module>:<spec>`); the newest is described.

    *excused* are failures nobody is at fault for (a full disk, an engine that went away): they count for the
    back-off and never against a variant or a candidate. *asked_s* is for how long the far side wants to be left
    alone (a registry's Retry-After).
    """

    failures: int
    last_at: datetime
    code: str
    reason: str
    excused: int = 0
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Demotion:
    """A variant that did not hold; *image* is what it was tried with.

    *code* says of which class the failure was; it is forgotten when *part* of the hardware (`gpu+driver`) has
    another *fingerprint*, or at *until*. Without either it holds for this image.
    """

    module: str
    variant: str
    image: str
    reason: str
    at: datetime
    code: str = ""
    part: str = ""
    fingerprint: str = ""
    until: datetime | None = None
    times: int = 1  # failures of this class in a row: each waits longer


@dataclass(frozen=True, slots=True)
class Choice:
    """The variant a module runs as, with the accelerators it got, and since when a better one could run."""

    variant: str
    image: str
    devices: tuple[str, ...] = ()
    injection: Injection | None = None
    since: datetime | None = None
    better: str = ""
    better_since: datetime | None = None
    climbed_at: datetime | None = None  # when it last went up by itself
    measuring: bool = False  # it runs to be measured: what comes of that need not wait
    waits: str = ""  # why the better one, which could be taken, is not yet
    waits_code: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """How quick an image answered its known input here; *p95_s* None: it tells no times.

    *fingerprint* is that of the part of the hardware it ran on.
    """

    p95_s: float | None
    fingerprint: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Condemnation:
    """A manifest, by digest, that is not to be tried again by itself."""

    version: int
    reason: str
    at: datetime
    epoch: int = 0  # as the slot's


@dataclass(frozen=True, slots=True)
class Desired:
    """What became of the newest manifest received: what `lastDesiredVersion` and `lastDesiredStatus` report."""

    version: int | None
    code: int
    description: str
    at: datetime
    problems: tuple[tuple[str, str, str], ...] = ()  # path, code, message
    trace: str = ""  # as the slot's
    epoch: int = 0  # as the slot's; 0 also where it came to no slot


@dataclass(frozen=True, slots=True)
class Death:
    """How a module's container ended last, with its last words (at most 20 lines)."""

    at: datetime
    exit_code: int | None
    reason: str
    log: tuple[str, ...] = ()
    version: int | None = None  # the container's; None where an older release wrote it


@dataclass(frozen=True, slots=True)
class Fared:
    """How requests to a module fared before *candidate* (a container spec's digest) received any.

    Totals of requests and errors; *p95_ms* is of *timed* answers, the newest of that time.
    """

    candidate: str
    requests: int
    errors: int
    p95_ms: float | None = None
    timed: int = 0


@dataclass(frozen=True, slots=True)
class Weighed:
    """How much memory *candidate* (a container spec's digest) takes, and the most that those before it were seen to.

    It takes too much *over_since* some look, and did at the newest, *over_at*: *over_bytes*.
    """

    candidate: str
    before_bytes: int = 0
    over_bytes: int = 0
    over_since: datetime | None = None
    over_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What copies of live requests showed of *candidate* (a container spec's digest) before it received any."""

    candidate: str
    found: Shadowed


@dataclass(frozen=True, slots=True)
class Ticking:
    """By what the moments in the ledger were told: *began_at*, by the wall clock, the boot *number* had begun.

    Within one boot it stays as it is until somebody sets the clock.
    """

    number: int
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Ledger:
    """Slots, floor, attempts, restarts, demotions, condemnations. Mappings are never changed in place."""

    candidate: Slot | None = None
    accepted: Slot | None = None
    desired: Desired | None = None
    floor: int = 0  # the highest version ever admitted
    floor_sha256: str = ""
    floor_epoch: int = 0  # a later epoch of the trust root begins the versions anew
    trusted_at: datetime | None = None  # it is no earlier than this, whatever the clock says
    attempts: Mapping[str, Attempt] = field(default_factory=lambda: _NONE)
    restarts: Mapping[str, int] = field(default_factory=lambda: _NONE)
    deaths: Mapping[str, Death] = field(default_factory=lambda: _NONE)
    resolved: Mapping[str, str] = field(default_factory=lambda: _NONE)  # reference as written -> pinned
    demotions: tuple[Demotion, ...] = ()
    traits: Mapping[str, ImageTraits] = field(default_factory=lambda: _NONE)  # by the key of `resolved`
    choices: Mapping[str, Choice] = field(
        default_factory=lambda: _NONE
    )  # by the key of `resolved`, of a module
    pulled: Mapping[str, datetime] = field(default_factory=lambda: _NONE)  # by digest, when: ours to remove
    pins: Mapping[str, str] = field(default_factory=lambda: _NONE)  # module -> the variant a person wants
    measured: Mapping[str, Measured] = field(default_factory=lambda: _NONE)  # by module and image by digest
    condemned: Mapping[str, Condemnation] = field(default_factory=lambda: _NONE)  # by manifest sha256
    restart_wanted: frozenset[str] = (
        frozenset()
    )  # runs (`id/started at`) a person asked to end and begin anew
    stopped: frozenset[str] = frozenset()  # container ids whose end is our own doing: a successor took over
    begun: Mapping[str, int] = field(
        default_factory=lambda: _NONE
    )  # starts nobody saw the end of, as attempts
    holds: Mapping[str, Hold] = field(default_factory=lambda: _NONE)  # an operator's, by module; "": on all
    released: Mapping[str, Release] = field(default_factory=lambda: _NONE)  # holds this cycle ended, by whom
    delays: Mapping[str, Hold] = field(default_factory=lambda: _NONE)  # what modules asked for, by name
    passage: Passage = NO_PASSAGE  # how far the candidate has come
    engine_lost_at: datetime | None = None  # it does not answer since then, or nobody looked since it does
    settling_since: datetime | None = None  # since when every module of the candidate is ready
    fared: Mapping[str, Fared] = field(default_factory=lambda: _NONE)  # by module, of before a candidate
    weighed: Mapping[str, Weighed] = field(default_factory=lambda: _NONE)  # by module, while on trial
    compared: Mapping[str, Compared] = field(default_factory=lambda: _NONE)  # by module, while on trial
    ticking: Ticking | None = None  # None: nobody wrote down by what clock it waits


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that arrived and is on disk: a manifest, or a person's wish. *id* orders them."""

    id: int
    kind: str  # manifest | restart | variant | rollback | trust-reset | hold | release | delay | now
    source: str  # mqtt, folder, cli (uid 0), ...
    body: bytes
    received_at: datetime
    trace: str = ""  # the traceparent that came with it, apart from the body


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a delivery."""

    delivery: int
    code: int  # 200 taken, 400 invalid, 404, 409 ...
    description: str
    version: int | None = None
    problems: tuple[tuple[str, str, str], ...] = ()
    epoch: int | None = None  # of *version*, where it was taken


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version and what became of it. Written at admission, closed when it is accepted or condemned."""

    version: int
    deployment: str
    sha256: str
    source: str
    received_at: datetime
    result: str  # applying | running | superseded | rolled back: why | refused: why
    finished_at: datetime | None = None
    changes: str = ""
    body: str = ""
    epoch: int = 0  # as the slot's
    trace: str = ""  # as the slot's
    taken_back_by: str = ""  # a delivery's source, or BY_ITSELF; empty where it was not

    @property
    def edition(self) -> Edition:
        return self.epoch, self.version

    @property
    def by(self) -> str:
        """Who had the last word on it: who took it back, else the person in its source; empty where none is named."""
        return self.taken_back_by or self.source.partition(" (")[2].removesuffix(")")
