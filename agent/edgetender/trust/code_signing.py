"""Did somebody sign this whom that authority certified? X.509 chains for code, as notation's signatures hold them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from edgetender.errors import CredentialUnusable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MOST, _RSA_BITS = 8, 2048  # certificates in a chain; the shortest key


class Authority:
    """Certificates that are trusted, out of a PEM file: of an authority, or of a signer itself."""

    def __init__(self, trusted: Sequence[Certificate], name: str) -> None:
        self._trusted, self.name = tuple(trusted), name

    @classmethod
    def from_pem(cls, body: bytes, name: str) -> Self:
        """Raises CredentialUnusable."""
        from cryptography.x509 import load_pem_x509_certificates

        try:
            return cls(load_pem_x509_certificates(body), name)
        except ValueError:
            raise CredentialUnusable(f"cannot use the certificate {name}: it is none in PEM") from None

    def signed(
        self, chain: Sequence[bytes], algorithm: str, signature: bytes, message: bytes, now: datetime
    ) -> bool:
        """Whether *signature* (JWS's *algorithm*) is by the first of *chain* (DER), which leads here *now*."""
        from cryptography.x509 import load_der_x509_certificate

        try:
            certificates = [load_der_x509_certificate(one) for one in chain[:_MOST]]
        except ValueError:
            return False
        return (
            len(certificates) == len(chain) > 0
            and self._leads_here(certificates, now)
            and _may_sign(certificates[0])
            and _verified(certificates[0], algorithm, signature, message)
        )

    def _leads_here(self, chain: Sequence[Certificate], now: datetime) -> bool:
        for below, certificate in enumerate(chain):
            if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
                return False
            if below and not _issued(certificate, chain[below - 1], below - 1):
                return False
            if certificate in self._trusted:
                return True
        last, count = chain[-1], len(chain) - 1
        return any(
            one.not_valid_before_utc <= now < one.not_valid_after_utc and _issued(one, last, count)
            for one in self._trusted
        )


def _issued(issuer: Certificate, certificate: Certificate, between: int) -> bool:
    """Whether *issuer* may and did sign *certificate*, with so many issuers *between* it and the signer."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import BasicConstraints, ExtensionNotFound, KeyUsage

    try:
        limits = issuer.extensions.get_extension_for_class(BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(KeyUsage).value
        certificate.verify_directly_issued_by(issuer)
    except (ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    deep = limits.path_length is not None and between > limits.path_length
    return limits.ca and usage.key_cert_sign and not deep


def _may_sign(certificate: Certificate) -> bool:
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, KeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        if not certificate.extensions.get_extension_for_class(KeyUsage).value.digital_signature:
            return False
        uses = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound as missing:
        return missing.oid == ExtendedKeyUsage.oid
    except ValueError:
        return False
    return ExtendedKeyUsageOID.CODE_SIGNING in uses


def _verified(certificate: Certificate, algorithm: str, signature: bytes, message: bytes) -> bool:
    """RFC 7518's PS… and ES…; the key decides which of them it may be."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    digests: dict[str, hashes.HashAlgorithm] = {
        "256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512(),
    }  # fmt: skip
    kind, digest, key = algorithm[:2], digests.get(algorithm[2:]), certificate.public_key()
    try:
        match key:
            case rsa.RSAPublicKey() if kind == "PS" and digest is not None and key.key_size >= _RSA_BITS:
                scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
                key.verify(signature, message, scheme, digest)
            case ec.EllipticCurvePublicKey() if kind == "ES" and digest is not None:
                half = len(signature) // 2
                r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
                key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
            case _:
                return False
    except (InvalidSignature, ValueError):
        return False
    return True
