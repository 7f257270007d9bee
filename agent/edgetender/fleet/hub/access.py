"""Who may connect as which device? Shared access signatures and client certificates, as an IoT Hub checks them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from edgetender.fleet.hub.packets import Connect


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a client showed in its handshake; the chain to an authority of the hub was verified there."""

    der: bytes
    common_name: str


@dataclass(slots=True)
class Identity:
    """A device (`cam7`) or a module of one (`cam7/scorer`). Without a certificate one of two keys counts.

    *thumbprint* is the SHA-1 of a certificate's DER in hex; *by_authority*: any certificate that an authority of
    the hub signed for this name.
    """

    client_id: str
    keys: tuple[str, ...] = field(default_factory=lambda: (new_key(), new_key()))
    thumbprint: str = ""
    by_authority: bool = False
    enabled: bool = True


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def derived_key(group_key: str, registration: str) -> str:
    """The key of one device of an enrolment group."""
    digest = hmac.new(base64.b64decode(group_key), registration.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def signature(key: str, resource: str, expires: int) -> str:
    """A SharedAccessSignature for *resource* (not encoded yet) until *expires* (epoch seconds)."""
    encoded = quote(resource, safe="")
    digest = hmac.new(base64.b64decode(key), f"{encoded}\n{expires}".encode(), hashlib.sha256).digest()
    sig = quote(base64.b64encode(digest).decode(), safe="")
    return f"SharedAccessSignature sr={encoded}&sig={sig}&se={expires}"


def signed(password: str, resource: str, keys: tuple[str, ...], now: float) -> int | None:
    """Until when (epoch seconds) *password* opens *resource*; None if it does not."""
    try:
        word, _, rest = password.partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split("&"))
        expires = int(fields["se"])
        given = base64.b64decode(unquote(fields["sig"]), validate=True)
        text = f"{fields['sr']}\n{fields['se']}".encode()
    except (ValueError, KeyError, binascii.Error):
        return None
    if word != "SharedAccessSignature" or unquote(fields["sr"]).lower() != resource.lower():
        return None
    if expires <= now:
        return None
    right = any(
        hmac.compare_digest(given, hmac.new(base64.b64decode(key), text, hashlib.sha256).digest())
        for key in keys
    )
    return expires if right else None


def resource_of(host: str, client_id: str) -> str:
    device, _, module = client_id.partition("/")
    return f"{host}/devices/{device}" + (f"/modules/{module}" if module else "")


def admitted(
    connect: Connect, identity: Identity | None, certificate: Certificate | None, now: float
) -> float | None:
    """Until when the connection may live (infinity for a certificate); None: it may not."""
    host, _, rest = connect.username.partition("/")
    if identity is None or not identity.enabled or not rest.startswith(f"{connect.client_id}/?"):
        return None
    if "api-version=" not in rest:
        return None
    if identity.thumbprint or identity.by_authority:
        return float("inf") if certificate is not None and _is_its(certificate, identity) else None
    until = signed(connect.password, resource_of(host, connect.client_id), identity.keys, now)
    return float(until) if until is not None else None


def _is_its(certificate: Certificate, identity: Identity) -> bool:
    if identity.thumbprint:
        return hashlib.sha1(certificate.der).hexdigest() == identity.thumbprint.lower()  # noqa: S324  # its way
    return certificate.common_name == identity.client_id.partition("/")[0]


def shown(tls: ssl.SSLObject | None) -> Certificate | None:
    """The certificate that the far side showed, if it did."""
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if tls is None or der is None:
        return None
    subject: Any = (tls.getpeercert() or {}).get("subject", ())
    names = [value for part in subject for name, value in part if name == "commonName"]
    return Certificate(der, names[-1] if names else "")


def thumbprint_of(pem: str) -> str:
    """SHA-1 of the first certificate in *pem*, in hex."""
    return hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()  # noqa: S324  # the hub's way
