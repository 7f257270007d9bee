"""How do bytes carry their signatures? DSSE version 1: what is signed is the payload with its type, as it is.

Nothing is made canonical and nothing is read before it is verified; after that the verified bytes are used,
never the envelope again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from edgetender.codec import canonical, decode
from edgetender.errors import ManifestInvalid, Problem, TrustRefused
from edgetender.trust.ed25519 import SIGNATURE_BYTES, SigningKey

MOST_SIGNATURES = 16
_KEYS = {"payload", "payloadType", "signatures"}


@dataclass(frozen=True, slots=True)
class Signature:
    """*keyid* narrows which keys are tried, "" for all of them; it never makes a signature valid."""

    keyid: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Read, not verified."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


def signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sealed(payload_type: str, payload: bytes, keys: Iterable[SigningKey]) -> bytes:
    """The envelope of *payload*, signed by *keys*."""
    message = signed_bytes(payload_type, payload)
    signatures = [{"keyid": key.keyid, "sig": _text(key.sign(message))} for key in keys]
    return canonical({"payload": _text(payload), "payloadType": payload_type, "signatures": signatures})


def is_envelope(document: Any) -> bool:
    """Whether *document* is meant to be one; not whether it is a sound one."""
    return isinstance(document, dict) and "schema" not in document and bool(_KEYS & document.keys())


def read_envelope(body: bytes) -> Envelope:
    """Raises TrustRefused; costs at most what reading *body* costs."""
    try:
        document = decode(body)
    except ManifestInvalid as error:
        raise TrustRefused(error.problems) from None
    if not is_envelope(document):
        refuse("signature.missing", "it is not signed; sign it: edgetender sign FILE --key KEY")
    if strange := sorted(document.keys() - _KEYS):
        refuse("key.unknown", f"unknown key {strange[0]!r:.80}", strange[0][:80])
    if missing := sorted(_KEYS - document.keys()):
        refuse("key.missing", f"{missing[0]!r} is missing", missing[0])
    payload_type, found = document["payloadType"], document["signatures"]
    if not isinstance(payload_type, str):
        refuse("type.string", "must be text", "payloadType")
    if not isinstance(found, list):
        refuse("type.array", "must be a list", "signatures")
    if not found:
        refuse("signature.missing", "nobody signed it", "signatures")
    if len(found) > MOST_SIGNATURES:
        refuse("signature.too_many", f"{len(found)}; at most {MOST_SIGNATURES} are read", "signatures")
    signatures = tuple(_signature(one, f"signatures[{number}]") for number, one in enumerate(found))
    return Envelope(_bytes(document["payload"], "payload"), payload_type, signatures)


def refuse(code: str, message: str, path: str = "") -> NoReturn:
    raise TrustRefused((Problem(path, code, message),))


def _signature(one: Any, path: str) -> Signature:
    if not isinstance(one, dict) or not {"sig"} <= one.keys() <= {"keyid", "sig"}:
        refuse("signature.malformed", "must be an object of sig and keyid", path)
    keyid = one.get("keyid", "")
    if not isinstance(keyid, str):
        refuse("type.string", "must be text", f"{path}.keyid")
    value = _bytes(one["sig"], f"{path}.sig")
    if len(value) != SIGNATURE_BYTES:
        refuse("signature.malformed", f"{len(value)} bytes; an Ed25519 signature has 64", f"{path}.sig")
    return Signature(keyid, value)


def _bytes(text: Any, path: str) -> bytes:
    if not isinstance(text, str):
        refuse("type.string", "must be text in base64", path)
    try:
        body = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        body = b""
    if not body or _text(body) != text:  # one spelling only: no other envelope says the same
        refuse("base64.malformed", "is no base64 in its one spelling", path)
    return body


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode("ascii")
