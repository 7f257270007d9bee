"""What did trust say of something that arrived? Values: the loop carries them from the hand to the decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edgetender.errors import Problem
from edgetender.model.policy import Policy
from edgetender.model.signed import Deployment, Root


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this device is to those who sign for it."""

    device: str = ""
    groups: tuple[str, ...] = ()
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Floor:
    """The newest version taken, in which epoch, and the latest moment that is known to have come."""

    epoch: int = 0
    version: int = 0
    sha256: str = ""
    trusted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """*deployment* is what was signed and verified; *refused* says why it is not to be trusted.

    Neither: it is not signed, and this device takes what is not. *claimed* is the version it says it is of,
    whoever wrote it; *epoch* is the trust root's.
    """

    deployment: Deployment | None = None
    refused: tuple[Problem, ...] = ()
    claimed: int | None = None
    epoch: int = 0
    identity: Identity = Identity()
    policy: Policy | None = None  # what the owner allows; None: nobody said
    state_lost: bool = False  # what was remembered here is gone
    root: Root | None = None  # it is no manifest, but the trust root that counts from now on


AS_IT_IS = Examined()
