"""What notation leaves beside an image, made with a test's own authority in the specification's words."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgetender.clock import rfc3339
from tests.fakes.clock import NOON

SCHEME, EXPIRY = "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"
DAY = timedelta(days=1)
_NO = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign",
     "encipher_only", "decipher_only"), False,
)  # fmt: skip


class Issued:
    """A certificate and its key; `self` signed without an *issuer*."""

    def __init__(self, name: str, issuer: Issued | None = None, /, **more: Any) -> None:
        ca = more.pop("ca", issuer is None)
        self.key: Any = more.pop("key", None) or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by = issuer or self
        made = x509.CertificateBuilder(
            issuer.certificate.subject if issuer else subject,
            subject,
            self.key.public_key(),
            x509.random_serial_number(),
            more.pop("since", NOON - 9 * DAY),
            more.pop("until", NOON + 9 * DAY),
        )
        made = made.add_extension(
            x509.BasicConstraints(ca=ca, path_length=more.pop("depth", None)), critical=True
        )
        usage = x509.KeyUsage(digital_signature=more.pop("signs", not ca), key_cert_sign=ca, **_NO)
        made = made.add_extension(usage, critical=True)
        if not ca:
            uses = [more.pop("use", ExtendedKeyUsageOID.CODE_SIGNING)]
            made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        assert not more
        self.certificate = made.sign(by.key, hashes.SHA256())
        self.chain: tuple[x509.Certificate, ...] = (self.certificate, *(issuer.chain if issuer else ()))

    def write(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def sign(self, digest: str, **more: Any) -> bytes:
        """The envelope, JWS in JSON."""
        head: dict[str, Any] = {
            "alg": "PS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256",
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": [SCHEME],
            SCHEME: "notary.x509",
            "io.cncf.notary.signingTime": rfc3339(NOON),
        } | more
        target = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1}
        protected, payload = _web(json.dumps(head)), _web(json.dumps({"targetArtifact": target}))
        message = f"{protected}.{payload}".encode()
        x5c = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in self.chain]
        body = {
            "payload": payload,
            "protected": protected,
            "header": {"x5c": x5c},
            "signature": self._signature(message),
        }
        return json.dumps(body).encode()

    def _signature(self, message: bytes) -> str:
        if isinstance(self.key, rsa.RSAPrivateKey):
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            return _web(self.key.sign(message, scheme, hashes.SHA256()))
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return _web(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _web(body: str | bytes) -> str:
    raw = body.encode() if isinstance(body, str) else body
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
