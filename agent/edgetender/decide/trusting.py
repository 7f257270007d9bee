"""Is what was signed meant for this device, now, and after what it has? Pure: the signatures are verified before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.clock import rfc3339
from edgetender.errors import Problem
from edgetender.model.examined import Examined, Floor, Identity
from edgetender.model.ledger import Ledger
from edgetender.model.signed import LONGEST_VALIDITY, RELEASED, Deployment, Targets

LONGEST_JUMP = 1_000_000  # of versions in one epoch: whoever stole a key cannot use up the numbers
_AHEAD = timedelta(minutes=10)  # clocks differ


def trusted_time(now: datetime, ledger: Ledger) -> datetime:
    """The latest moment that is known to have come: a clock may be set back, or begin in 1970."""
    return max(now, RELEASED, ledger.trusted_at or now)


def misdirected(examined: Examined) -> Problem | None:
    """Why the deployment is not for this device, or not of this epoch."""
    deployment = examined.deployment
    if deployment is None:
        return None
    if deployment.epoch != examined.epoch:
        which = "before" if deployment.epoch < examined.epoch else "after"
        said = f"signed in epoch {deployment.epoch}, {which} this device's trust root, which is of {examined.epoch}"
        return Problem("epoch", "manifest.epoch", f"{said}; sign it with the device's root")
    return _elsewhere(deployment.targets, examined.identity)


def unbelievable(deployment: Deployment, version: int, ledger: Ledger, now: datetime) -> Problem | None:
    """Why a new version is not to be taken now: it ended, it holds too long, it comes from the future."""
    issued_at, not_after = deployment.issued_at, deployment.not_after
    sure = trusted_time(now, ledger)
    if not issued_at < not_after <= issued_at + LONGEST_VALIDITY:
        said = f"holds from {rfc3339(issued_at)} to {rfc3339(not_after)}; at most {LONGEST_VALIDITY.days} days are"
        return Problem("not_after", "manifest.validity", f"{said} taken")
    if sure >= not_after:
        said = f"ended on {rfc3339(not_after)}, and it is {rfc3339(sure)}"
        return Problem("not_after", "manifest.expired", f"{said}; sign it anew")
    if now >= sure and issued_at > now + _AHEAD:  # a clock that is known to be wrong refutes nothing
        said = f"issued at {rfc3339(issued_at)}, and here it is {rfc3339(now)}"
        return Problem("issued_at", "manifest.issued_in_future", f"{said}; is one of the clocks wrong?")
    floor = floor_of(ledger, deployment.epoch)
    if floor and version > floor + LONGEST_JUMP:
        said = f"version {version} is more than {LONGEST_JUMP} after {floor}"
        return Problem("manifest.version", "manifest.version_range", f"{said}; number from {floor + 1} on")
    return None


def forgotten(examined: Examined, ledger: Ledger) -> Problem | None:
    """Why nothing is taken where nothing is remembered: neither the state, nor files, nor containers know a version."""
    if not examined.state_lost or ledger.floor:
        return None
    said = "this device's state was lost, and with it the newest version it had"
    return Problem("", "trust.state_lost", f"{said}; as root there: edgetender trust reset --floor VERSION")


def floor_of(ledger: Ledger, epoch: int) -> int:
    """The highest version taken, as far as it counts in *epoch*; 0 where a new epoch begins."""
    return 0 if ledger.floor_epoch and epoch > ledger.floor_epoch else ledger.floor


def kept_floor(ledger: Ledger) -> Floor:
    """What is written down beside the ledger."""
    return Floor(ledger.floor_epoch, ledger.floor, ledger.floor_sha256, ledger.trusted_at)


def raised(ledger: Ledger, floor: Floor) -> Ledger:
    """*ledger*, which may be a younger or an older one, with the floor that was written down beside it."""
    if (floor.epoch, floor.version) > (ledger.floor_epoch, ledger.floor):
        ledger = replace(ledger, floor=floor.version, floor_epoch=floor.epoch, floor_sha256=floor.sha256)
    known = [moment for moment in (ledger.trusted_at, floor.trusted_at) if moment is not None]
    return replace(ledger, trusted_at=max(known, default=None))


def _elsewhere(targets: Targets, own: Identity) -> Problem | None:
    if not targets.devices and not targets.groups:
        return Problem("targets", "target.none", "names no device and no group: nobody may take it")
    if own.device not in targets.devices and not set(own.groups) & set(targets.groups):
        mine = f"this is {own.device}" + (f", in {', '.join(own.groups)}" if own.groups else ", in no group")
        return Problem("targets", "target.other_device", f"{mine}; it is for others")
    if targets.architectures and own.architecture not in targets.architectures:
        said = f"is for {', '.join(targets.architectures)}; this is {own.architecture or 'unknown'}"
        return Problem("targets.architectures", "target.other_hardware", said)
    return None
