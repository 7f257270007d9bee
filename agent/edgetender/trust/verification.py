"""Did those sign whose word counts? An envelope and a trust root in, what was signed out. Touches nothing.

The order is fixed: size, envelope, signatures, payload type, strict reading, schema. For whom it is, which
version it follows and how long it holds is decided afterwards, in `decide/`.
"""

from __future__ import annotations

from datetime import datetime

from edgetender.codec import decode
from edgetender.errors import ManifestInvalid, TrustRefused
from edgetender.model.signed import DEPLOYMENT_TYPE, ROOT_TYPE, Deployment, Role, Root, deployment_of, root_of
from edgetender.trust.ed25519 import keyid_of, verified
from edgetender.trust.envelope import Envelope, read_envelope, refuse, signed_bytes


def verify(body: bytes, root: Root, now: datetime) -> Deployment:
    """The deployment that *body*, an envelope, holds. *now* is trusted time, for keys that end.

    Raises TrustRefused with the reason's code and path.
    """
    envelope = read_envelope(body)
    _signed_by(envelope, root, root.roles.manifest, now)
    return deployment_of(_payload(envelope, DEPLOYMENT_TYPE))


def unverified(body: bytes) -> Deployment:
    """What *body* says, whoever signed it: for showing, never for running. Raises TrustRefused."""
    return deployment_of(_payload(read_envelope(body), DEPLOYMENT_TYPE))


def first_root(body: bytes) -> Root:
    """The root document in *body* if its own threshold signed it: whoever installs it vouches for the keys."""
    envelope = read_envelope(body)
    root = root_of(_payload(envelope, ROOT_TYPE))
    _names_are_true(root)
    _signed_by(envelope, root, root.roles.root, None)
    return root


def next_root(current: Root, body: bytes) -> Root:
    """The root document in *body* if it follows *current*. Raises TrustRefused.

    It follows with exactly the next version, signed by the threshold of *current* and by its own.
    """
    envelope = read_envelope(body)
    _signed_by(envelope, current, current.roles.root, None)
    root = root_of(_payload(envelope, ROOT_TYPE))
    _names_are_true(root)
    _signed_by(envelope, root, root.roles.root, None)
    if root.version != current.version + 1:
        said = (
            f"version {root.version} does not follow {current.version}; bring version {current.version + 1}"
        )
        refuse("root.not_next", said, "version")
    if root.epoch < current.epoch:
        refuse("root.epoch_falls", f"epoch {root.epoch} is before {current.epoch}", "epoch")
    if back := set(current.revoked) - set(root.revoked):
        refuse("root.revoked_returns", f"{min(back)[:12]} was revoked, and stays so", "revoked")
    return root


def is_root(body: bytes) -> bool:
    """Whether *body* says that it is a root document; it may be none all the same."""
    try:
        return read_envelope(body).payload_type == ROOT_TYPE
    except TrustRefused:
        return False


def succession(current: Root, body: bytes) -> Root:
    """The root that counts once *body* came: the one that follows, or *current* where it came again.

    Raises TrustRefused, also for other content under the version of *current*.
    """
    found = root_of(_payload(read_envelope(body), ROOT_TYPE))
    if found == current:
        return current
    if found.version == current.version:
        _signed_by(read_envelope(body), current, current.roles.root, None)
        said = f"version {found.version} is known here with other content: did somebody sign two?"
        refuse("root.equivocation", said, "version")
    return next_root(current, body)


def _payload(envelope: Envelope, wanted: str) -> object:
    if envelope.payload_type != wanted:
        said = f"this is {envelope.payload_type!r:.80}; {wanted!r} is wanted here"
        refuse("signature.type_mismatch", said, "payloadType")
    try:
        return decode(envelope.payload)
    except ManifestInvalid as error:
        raise TrustRefused(error.problems) from None


def _names_are_true(root: Root) -> None:
    for keyid, key in root.keys.items():
        if keyid_of(key.public) != keyid:
            refuse("root.keyid", "is not the SHA-256 of its key", f"keys.{keyid}")


def _signed_by(envelope: Envelope, root: Root, role: Role, now: datetime | None) -> None:
    """Raises TrustRefused unless so many different keys of *role* signed. *now*: keys may have ended by then."""
    message = signed_bytes(envelope.payload_type, envelope.payload)
    ended = {
        keyid
        for keyid in role.keys
        if now is not None and (until := root.keys[keyid].not_after) is not None and now >= until
    }
    signed: set[str] = set()
    for signature in envelope.signatures:
        tried = [signature.keyid] if signature.keyid else list(root.keys)
        signed |= {
            keyid
            for keyid in tried
            if keyid in root.keys and verified(root.keys[keyid].public, signature.value, message)
        }
    counted = signed & set(role.keys) - ended
    if len(counted) >= role.threshold:
        return
    if gone := signed & set(root.revoked):
        said = f"{_named(root, min(gone))} signed it, a key that root version {root.version} revoked"
        refuse("signature.revoked", f"{said}; sign it with another", "signatures")
    if late := signed & ended:
        refuse("signature.key_ended", f"{_named(root, min(late))} signed it, and has ended", "signatures")
    if counted:
        said = f"{len(counted)} of the {role.threshold} keys that are needed signed it"
        refuse("signature.threshold", said, "signatures")
    if signed:
        said = f"{_named(root, min(signed))} signed it, and may not: it is a key for something else"
        refuse("signature.other_role", said, "signatures")
    said = f"no signature on it is by a key of root version {root.version}, or it was changed since"
    refuse("signature.invalid", f"{said}; is this the trust root it was signed for?", "signatures")


def _named(root: Root, keyid: str) -> str:
    return f"{root.keys[keyid].name} ({keyid[:12]})"
