"""Did somebody whose key we have sign this image? cosign's signatures, where they lie in the registry beside it.

Both of its formats: simple signing under the tag `sha256-….sig`, and bundles among the image's referrers. Whoever
signed without a key (by Fulcio's certificates and Rekor's log) is not asked here: that needs their roots and a network.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgetender.errors import ImageMissing, Permanent
from edgetender.model.image import ImageReference
from edgetender.registry.distribution import Registry
from edgetender.trust.envelope import signed_bytes
from edgetender.trust.public_keys import PublicKey

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle"  # … .v0.3+json, and what follows it
IN_TOTO = "application/vnd.in-toto+json"
_SIGN = "https://sigstore.dev/cosign/sign/v1"
_TYPES = ("cosign container image signature", _SIGN)
_SIGNATURE, _CERTIFICATE = "dev.cosignproject.cosign/signature", "dev.sigstore.cosign/certificate"
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


def require_signed(image: ImageReference, registry: Registry, keys: Sequence[PublicKey]) -> str:
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
            if key.verified(claim.signature, claim.message):
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


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
