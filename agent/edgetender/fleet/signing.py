"""How does a manifest become one that devices trust? Wrapped with for whom and until when, and signed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from edgetender.clock import rfc3339
from edgetender.codec import canonical
from edgetender.errors import Problem, TrustRefused
from edgetender.model.signed import DEPLOYMENT_SCHEMA, DEPLOYMENT_TYPE, LONGEST_VALIDITY, Deployment, Root
from edgetender.trust.ed25519 import SigningKey
from edgetender.trust.envelope import sealed
from edgetender.trust.verification import verify


def signed(
    manifest: Any,
    keys: Iterable[SigningKey],
    root: Root,
    *,
    devices: Iterable[str],
    groups: Iterable[str],
    architectures: Iterable[str],
    valid: timedelta,
    now: datetime,
) -> bytes:
    """The envelope of *manifest*, a document. Raises TrustRefused where a device with *root* would not take it."""
    document = {
        "schema": DEPLOYMENT_SCHEMA,
        "epoch": root.epoch,
        "issued_at": rfc3339(now),
        "not_after": rfc3339(now + valid),
        "targets": {"devices": [*devices], "groups": [*groups], "architectures": [*architectures]},
        "manifest": manifest,
    }
    body = sealed(DEPLOYMENT_TYPE, canonical(document), keys)
    _holds(verify(body, root, now), now)
    return body


def checked(body: bytes, root: Root, now: datetime) -> Deployment:
    """The deployment in the envelope *body* as a device with *root* sees it. Raises TrustRefused."""
    deployment = verify(body, root, now)
    if deployment.epoch != root.epoch:
        said = f"signed in epoch {deployment.epoch}; the root is of {root.epoch}"
        raise TrustRefused((Problem("epoch", "manifest.epoch", said),))
    _holds(deployment, now)
    return deployment


def _holds(deployment: Deployment, now: datetime) -> None:
    targets, until = deployment.targets, deployment.not_after
    if not targets.devices and not targets.groups:
        raise TrustRefused((Problem("targets", "target.none", "names no device and no group"),))
    if not deployment.issued_at < until <= deployment.issued_at + LONGEST_VALIDITY:
        said = f"at most {LONGEST_VALIDITY.days} days are taken"
        raise TrustRefused((Problem("not_after", "manifest.validity", said),))
    if now >= until:
        raise TrustRefused((Problem("not_after", "manifest.expired", f"ended on {rfc3339(until)}"),))
