"""Every error the agent raises on purpose: one class per reaction, each with a stable code.

    AgentError
    ├── Transient              try again later, by itself; nobody is at fault yet
    │   ├── LinkDown             the upstream link is not there
    │   ├── EngineDown           the container engine does not answer
    │   ├── FrontDown            a traffic switch does not answer, or lost what it stood on
    │   ├── RegistryUnreachable  network, TLS handshake time-outs, 5xx, 429 (carries retry_after_s)
    │   ├── ImageCorrupt         what arrived is not what its digest says; it was thrown away
    │   ├── PullStalled          no byte moved for the stall time-out
    │   └── DiskFull             space is missing; nothing was burned
    ├── Permanent              the same input fails again; a person or a new manifest must act
    │   ├── ManifestInvalid      carries every fault with its path
    │   ├── ManifestRefused      readable, but not to be taken (lower version, equivocation, ...)
    │   ├── TrustRefused         not signed by those whose word counts here; says by whom, or how, and where
    │   ├── RegistryDenied       401 or 403
    │   ├── ImageMissing         the registry has no such image
    │   ├── EngineRefused        the engine said no to these arguments
    │   ├── CredentialUnusable   absent, unreadable or too widely readable
    │   ├── ConfigInvalid        carries every fault with file and line
    │   ├── AlreadyRunning       another daemon holds the state directory
    │   └── NotFound             no such module, version, ...
    └── Fault                  our own bug or a broken disk: the daemon stops, systemd restarts it
        ├── Exhausted            there is no memory or descriptor left to look with; a restart has some
        └── StoreDamaged         the databases cannot be read or written, space or no space

A `code` is an API: dashboards and scripts match on it. Errors do not log; whoever handles them does, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in an input: *path* says where (`modules.scorer.ports[0].host`, or `config.toml:14`)."""

    path: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class AgentError(Exception):
    """Root of the tree. `str(error)` is one line: `cannot <verb> <what>: <why>`, then what helps."""

    code: ClassVar[str] = "agent.error"


class Transient(AgentError):
    """Trying again later may work; back-off decides when."""

    code = "transient"


class Permanent(AgentError):
    """Trying the same again fails the same; back-off only polls for the world to change."""

    code = "permanent"


class Fault(AgentError):
    """Something that must not happen did: the daemon stops and is restarted."""

    code = "fault"


class LinkDown(Transient):
    code = "link.down"


class EngineDown(Transient):
    code = "engine.down"


class FrontDown(Transient):
    code = "front.down"


class RegistryUnreachable(Transient):
    code = "registry.unreachable"

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, status: int | None = None
    ) -> None:
        """*status*: what the registry answered, where it did."""
        super().__init__(message)
        self.retry_after_s, self.status = retry_after_s, status


class ImageCorrupt(Transient):
    code = "image.corrupt"


class PullStalled(Transient):
    code = "pull.stalled"


class DiskFull(Transient):
    code = "disk.full"


class WithProblems(Permanent):
    """A refusal that names every fault at once."""

    code = "invalid"

    def __init__(self, what: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
        super().__init__(f"{what}: {count}: " + "; ".join(str(problem) for problem in problems))


class ManifestInvalid(WithProblems):
    code = "manifest.invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("cannot accept the manifest", problems)


class ManifestRefused(Permanent):
    """*code* is per instance here: `manifest.rollback`, `manifest.equivocation`, `manifest.condemned`, ..."""

    code = "manifest.refused"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # the one class whose reason is data


class TrustRefused(WithProblems):
    code = "trust.refused"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("cannot trust it", problems)


class RegistryDenied(Permanent):
    code = "registry.unauthorized"


class ImageMissing(Permanent):
    code = "image.missing"


class EngineRefused(Permanent):
    """*code* may be per instance: `engine.toolkit_missing` says more than that it said no."""

    code = "engine.refused"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        if code:
            self.code = code  # type: ignore[misc]  # the far side's reason


class CredentialUnusable(Permanent):
    code = "credential.unusable"


class ConfigInvalid(WithProblems):
    code = "config.invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("cannot use the configuration", problems)


class AlreadyRunning(Permanent):
    code = "daemon.already_running"


class NotFound(Permanent):
    code = "not_found"


class Exhausted(Fault):
    code = "system.exhausted"


class StoreDamaged(Fault):
    code = "store.damaged"
