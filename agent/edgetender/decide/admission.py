"""May this document become the candidate? Pure: bytes and what is remembered in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edgetender.codec import MAX_BYTES, canonical, decode, sha256_hex
from edgetender.convert.iotedge import delivered
from edgetender.decide.policing import violations
from edgetender.decide.stride import fetch_anew
from edgetender.decide.trusting import floor_of, forgotten, misdirected, trusted_time, unbelievable
from edgetender.errors import ManifestInvalid, Problem
from edgetender.model.examined import AS_IT_IS, Examined
from edgetender.model.ledger import Delivery, Desired, Ledger, Slot
from edgetender.model.manifest import MAX_VERSION, Manifest
from edgetender.model.observed import Observed
from edgetender.model.reading import manifest_of
from edgetender.model.topics import DesiredCode

_PROBLEMS_KEPT, _TEXT_KEPT = 50, 500  # what is wrong is told upstream: nobody reads the thousandth fault


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a manifest. *slot* is set when it is to be the candidate; *seen*: nothing new in it."""

    desired: Desired
    slot: Slot | None = None
    seen: bool = False
    trusted_at: datetime | None = None  # what is known of the time by then


def admit(delivery: Delivery, ledger: Ledger, examined: Examined = AS_IT_IS) -> Admission:
    """Judge the manifest in *delivery* against the highest version taken so far; change nothing.

    The version only ever rises: a lower one is an old message or a replay, the same one with other content is
    two authors who do not know of each other. What was condemned here is not tried again by redelivery.
    *examined* is what trust said of it; what runs already goes on when its time is over.
    """
    admission = _admission(delivery, ledger, examined)
    if admission.seen or not delivery.trace:
        return admission
    slot = replace(admission.slot, trace=delivery.trace) if admission.slot is not None else None
    return replace(admission, desired=replace(admission.desired, trace=delivery.trace), slot=slot)


def _admission(delivery: Delivery, ledger: Ledger, examined: Examined) -> Admission:
    read = _read(delivery, ledger, examined)
    if isinstance(read, Admission):
        return read
    document, manifest = read
    body = canonical(document)
    if len(body) > MAX_BYTES:  # 1e15 is longer when written out; what is kept must be readable again
        what = f"{len(body)} bytes when written out; at most {MAX_BYTES} are taken"
        return _invalid(delivery, manifest.version, ManifestInvalid((Problem("", "json.oversized", what),)))
    sha256 = sha256_hex(body)
    if sha256 in ledger.condemned:
        gone = ledger.condemned[sha256]
        if ledger.desired is not None and ledger.desired.version == manifest.version:
            return Admission(ledger.desired, seen=True)
        why = f"version {manifest.version} was taken back here: {gone.reason}; send a new version"
        return _refused(delivery, manifest.version, DesiredCode.ROLLED_BACK, "manifest.condemned", why)
    return _against_the_floor(delivery, ledger, examined, manifest, sha256) or _taken(
        delivery, ledger, examined, manifest, body
    )


def _read(delivery: Delivery, ledger: Ledger, examined: Examined) -> tuple[Any, Manifest] | Admission:
    """The document and its manifest, or why there is none for this device."""
    if examined.refused:
        return _untrusted(delivery, examined.claimed, examined.refused)
    signed = examined.deployment
    try:
        received = decode(delivery.body) if signed is None else signed.manifest
    except ManifestInvalid as error:
        return _invalid(delivery, None, error)
    try:
        document = delivered(received) if signed is None else received
        manifest = manifest_of(document)
    except ManifestInvalid as error:
        return _invalid(delivery, _version(received), error)
    if (problem := misdirected(examined) or forgotten(examined, ledger)) is not None:
        return _untrusted(delivery, manifest.version, (problem,))
    return document, manifest


def _against_the_floor(
    delivery: Delivery, ledger: Ledger, examined: Examined, manifest: Manifest, sha256: str
) -> Admission | None:
    """None for a version that is new here."""
    floor = floor_of(ledger, _epoch(examined, ledger))
    if manifest.version < floor:
        why = (
            f"version {manifest.version} is lower than {floor}, which this device has taken already; "
            f"send version {floor + 1} or higher"
        )
        return _refused(delivery, manifest.version, DesiredCode.CONFLICT, "manifest.rollback", why)
    if manifest.version == floor and sha256 == ledger.floor_sha256:
        if ledger.accepted is None and ledger.candidate is None:
            return None  # the floor outlived the ledger: what it stands for comes again
        return Admission(_known(delivery, manifest, sha256, ledger), seen=True)
    if manifest.version == floor and ledger.floor_sha256:
        why = (
            f"version {manifest.version} is known here with other content; "
            f"send what you mean as version {floor + 1}"
        )
        return _refused(delivery, manifest.version, DesiredCode.CONFLICT, "manifest.equivocation", why)
    return None


def _taken(
    delivery: Delivery, ledger: Ledger, examined: Examined, manifest: Manifest, body: bytes
) -> Admission:
    at, version, sure = delivery.received_at, manifest.version, None
    if (signed := examined.deployment) is not None:
        if (problem := unbelievable(signed, version, ledger, at)) is not None:
            return _untrusted(delivery, version, (problem,))
        sure = max(trusted_time(at, ledger), signed.issued_at)
    if examined.policy is not None:
        forbidden = violations(manifest, examined.policy, signed=signed is not None)
        if forbidden:
            return _untrusted(delivery, version, forbidden)
    epoch = _epoch(examined, ledger)
    slot = Slot(
        manifest.deployment, version, sha256_hex(body), body.decode(), delivery.source, at, epoch=epoch
    )
    desired = Desired(version, DesiredCode.APPLYING, "being applied", at, epoch=epoch)
    return Admission(desired, slot, trusted_at=sure)


def _epoch(examined: Examined, ledger: Ledger) -> int:
    """What is not signed belongs to the epoch that is."""
    return ledger.floor_epoch if examined.deployment is None else examined.deployment.epoch


def take(ledger: Ledger, admission: Admission) -> Ledger:
    """The ledger after *admission*; a slot becomes the candidate, what was candidate before is superseded.

    What could not be pulled is tried at once.
    """
    if admission.seen:
        return ledger
    ledger = replace(ledger, desired=admission.desired)
    if admission.slot is None:
        return ledger
    return replace(
        ledger,
        candidate=admission.slot,
        floor=admission.slot.version,
        floor_sha256=admission.slot.sha256,
        floor_epoch=admission.slot.epoch,
        trusted_at=admission.trusted_at or ledger.trusted_at,
        settling_since=None,
        attempts=fetch_anew(ledger.attempts),
    )


def floor_held(ledger: Ledger, observed: Observed) -> Ledger:
    """Raise the floor to what the containers' labels say was taken here: the state database may be younger.

    What that version said is not known then; whoever sends it again is believed, a lower one is refused.
    Labels do not say in which epoch they were written: where one is remembered, they are not asked.
    """
    if ledger.floor_epoch:
        return ledger
    newest = max((container.version for container in observed.containers), default=0)
    return ledger if newest <= ledger.floor else replace(ledger, floor=newest, floor_sha256="")


def _known(delivery: Delivery, manifest: Manifest, sha256: str, ledger: Ledger) -> Desired:
    if ledger.desired is not None and ledger.desired.version == manifest.version:
        return ledger.desired
    applying = ledger.candidate is not None and ledger.candidate.sha256 == sha256
    code, said = (
        (DesiredCode.APPLYING, "being applied") if applying else (DesiredCode.RUNNING, "known already")
    )
    return Desired(manifest.version, code, said, delivery.received_at)


def _version(document: object) -> int | None:
    version = document.get("version", document.get("$version")) if isinstance(document, dict) else None
    sound = isinstance(version, int) and not isinstance(version, bool) and 0 < version <= MAX_VERSION
    return version if sound else None


def _invalid(delivery: Delivery, version: int | None, error: ManifestInvalid) -> Admission:
    problems = tuple(
        (_short(problem.path), problem.code, _short(problem.message))
        for problem in error.problems[:_PROBLEMS_KEPT]
    )
    return Admission(
        Desired(
            version, DesiredCode.INVALID, _short(str(error), 4 * _TEXT_KEPT), delivery.received_at, problems
        )
    )


def _untrusted(delivery: Delivery, version: int | None, problems: tuple[Problem, ...]) -> Admission:
    kept = tuple((_short(one.path), one.code, _short(one.message)) for one in problems[:_PROBLEMS_KEPT])
    why = _short("; ".join(map(str, problems)), 4 * _TEXT_KEPT)
    return Admission(Desired(version, DesiredCode.FORBIDDEN, why, delivery.received_at, kept))


def _short(text: str, limit: int = _TEXT_KEPT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _refused(delivery: Delivery, version: int, code: int, name: str, why: str) -> Admission:
    return Admission(Desired(version, code, why, delivery.received_at, (("version", name, why),)))
