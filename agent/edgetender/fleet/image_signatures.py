"""Did somebody whose key we have sign this image? The signatures of cosign and notation, beside it in the registry.

Both formats of cosign: simple signing under the tag `sha256-….sig`, and bundles among the image's referrers; of
notation JWS with its certificates. Whoever signed without a key (by Fulcio's certificates and Rekor's log) is not asked
here, and neither is whether a certificate was revoked: that needs a network, and roots of theirs.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgetender.clock import parse_rfc3339
from edgetender.errors import ImageMissing, Permanent
from edgetender.model.image import ImageReference
from edgetender.registry.distribution import Registry
from edgetender.trust.code_signing import Authority
from edgetender.trust.envelope import signed_bytes
from edgetender.trust.public_keys import PublicKey

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle"  # … .v0.3+json, and what follows it
JOSE = "application/jose+json"
IN_TOTO = "application/vnd.in-toto+json"
_SIGN = "https://sigstore.dev/cosign/sign/v1"
_TYPES = ("cosign container image signature", _SIGN)
_SIGNATURE, _CERTIFICATE = "dev.cosignproject.cosign/signature", "dev.sigstore.cosign/certificate"
_NOTARY = "io.cncf.notary."
_UNDERSTOOD = frozenset({f"{_NOTARY}signingScheme", f"{_NOTARY}expiry"})
_MOST = 64  # of signatures that are looked at


class ImageUnsigned(Permanent):
    code = "image.unsigned"


@dataclass(frozen=True, slots=True)
class Claim:
    """What was signed, how, and which image it says that it is about."""

    message: bytes
    signature: bytes
    digest: str
    keyless: bool = False
    chain: tuple[bytes, ...] = ()  # who signed, by certificates (DER)
    algorithm: str = ""
    until: datetime | None = None

    def is_by(self, key: PublicKey | Authority, now: datetime) -> bool:
        """Whether *key*, or somebody it certified, signed it, and it holds *now*."""
        if self.until is not None and now >= self.until:
            return False
        if isinstance(key, Authority):
            return key.signed(self.chain, self.algorithm, self.signature, self.message, now)
        return not self.chain and key.verified(self.signature, self.message)


def require_signed(
    image: ImageReference, registry: Registry, keys: Sequence[PublicKey | Authority], now: datetime
) -> str:
    """Return the name of the key that signed *image*, which has a digest.

    Raises ImageUnsigned that says what was found instead, and what the registry raises.
    """
    digest = image.digest or ""
    seen = keyless = others = 0
    for claim in _claims(registry, image.repository, digest):
        seen += 1
        if seen > _MOST:
            break
        for key in keys:
            if claim.is_by(key, now):
                if claim.digest == digest:
                    return key.name
                others += 1
        keyless += claim.keyless
    cannot = f"cannot take {image}"
    if others:
        raise ImageUnsigned(f"{cannot}: what lies beside it as its signature is another image's")
    if keyless:
        raise ImageUnsigned(
            f"{cannot}: it was signed without a key, which is not verified here; "
            "verify it with cosign verify, or sign it with a key: cosign sign --key"
        )
    if seen:
        raise ImageUnsigned(f"{cannot}: it is signed, and by none of the keys that were given")
    raise ImageUnsigned(f"{cannot}: it is not signed; sign it: cosign sign --key KEY {image}")


def _claims(registry: Registry, repository: str, digest: str) -> Iterator[Claim]:
    beside = digest.replace(":", "-")

    def fetch(blob: str) -> bytes:
        return registry.small_blob(repository, blob)

    with contextlib.suppress(ImageMissing):
        yield from claims_in(registry.manifest(repository, f"{beside}.sig"), fetch)
    for referrer in _children(registry.referrers(repository, digest)):
        yield from claims_in(registry.manifest(repository, referrer), fetch)


def _children(index: bytes) -> list[str]:
    found = _document(index).get("manifests")
    digests = [one.get("digest") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [one for one in digests if isinstance(one, str)][:_MOST]


def claims_in(manifest: bytes, fetch: Callable[[str], bytes]) -> Iterator[Claim]:
    """Each signature that *manifest* points to; *fetch* gets its blobs. What is none says nothing."""
    layers = _document(manifest).get("layers")
    for layer in layers[:_MOST] if isinstance(layers, list) else ():
        if not isinstance(layer, dict) or not isinstance(layer.get("digest"), str):
            continue
        kind, notes = str(layer.get("mediaType")), layer.get("annotations")
        if kind == SIMPLE:
            yield _simple(fetch(layer["digest"]), notes if isinstance(notes, dict) else {})
        elif kind == JOSE:
            yield _jws(_document(fetch(layer["digest"])))
        elif kind.startswith(BUNDLE):
            yield _bundle(_document(fetch(layer["digest"])))


def _simple(payload: bytes, notes: dict[str, Any]) -> Claim:
    critical = _part(_document(payload), "critical")
    about = _part(critical, "image").get("docker-manifest-digest") if critical.get("type") in _TYPES else ""
    return Claim(payload, _decoded(notes.get(_SIGNATURE)), str(about), keyless=_CERTIFICATE in notes)


def _bundle(bundle: dict[str, Any]) -> Claim:
    material, envelope = _part(bundle, "verificationMaterial"), _part(bundle, "dsseEnvelope")
    keyless = "certificate" in material or "x509CertificateChain" in material
    payload, kind = _decoded(envelope.get("payload")), str(envelope.get("payloadType"))
    signatures = envelope.get("signatures")
    first = signatures[0] if isinstance(signatures, list) and len(signatures) == 1 else {}
    statement = _document(payload) if kind == IN_TOTO else {}
    subjects = statement.get("subject")
    subject = subjects[0] if isinstance(subjects, list) and len(subjects) == 1 else {}
    hexadecimal = _part(subject if isinstance(subject, dict) else {}, "digest").get("sha256")
    about = f"sha256:{hexadecimal}" if statement.get("predicateType") == _SIGN else ""
    signature = _decoded(first.get("sig") if isinstance(first, dict) else None)
    return Claim(signed_bytes(kind, payload), signature, about, keyless)


def _jws(envelope: dict[str, Any]) -> Claim:
    """Flattened, as notation writes it; what its header calls critical and is not known here makes it none."""
    protected, payload = str(envelope.get("protected")), str(envelope.get("payload"))
    head = _document(_decoded(protected, web=True))
    critical, certificates = head.get("crit", []), _part(envelope, "header").get("x5c")
    known = isinstance(critical, list) and set(map(str, critical)) <= _UNDERSTOOD
    sound = known and head.get(f"{_NOTARY}signingScheme") == "notary.x509"
    about = _part(_document(_decoded(payload, web=True)), "targetArtifact").get("digest")
    try:
        end = head.get(f"{_NOTARY}expiry")
        until = parse_rfc3339(str(end)) if end is not None else None
    except ValueError:
        sound, until = False, None
    chain = tuple(_decoded(one) for one in certificates) if isinstance(certificates, list) else ()
    signature = _decoded(envelope.get("signature"), web=True) if sound else b""
    message = f"{protected}.{payload}".encode()
    return Claim(message, signature, str(about), False, chain or (b"",), str(head.get("alg")), until)


def _document(body: bytes) -> dict[str, Any]:
    """What cannot be read says nothing, and so signs nothing."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _decoded(text: object, *, web: bool = False) -> bytes:
    if web and isinstance(text, str):
        text = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
