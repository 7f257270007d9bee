"""Is this signature by that public key? The kinds of keys that sign images: ECDSA, Ed25519 and RSA, over SHA-256."""

from __future__ import annotations

from typing import Any, Self

from edgetender.errors import CredentialUnusable


class PublicKey:
    """One key out of a PEM file, as `cosign generate-key-pair` and `openssl` write it."""

    def __init__(self, key: Any, name: str) -> None:
        self._key, self.name = key, name

    @classmethod
    def from_pem(cls, body: bytes, name: str) -> Self:
        """Raises CredentialUnusable."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(body)
        except (ValueError, UnsupportedAlgorithm):
            raise CredentialUnusable(f"cannot use the key {name}: it is no public key in PEM") from None
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
            raise CredentialUnusable(f"cannot use the key {name}: it is not of ECDSA, Ed25519 or RSA")
        return cls(key, name)

    def verified(self, signature: bytes, message: bytes) -> bool:
        """Whether *signature* is that of *message* by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            match self._key:
                case ec.EllipticCurvePublicKey():
                    self._key.verify(signature, message, ec.ECDSA(SHA256()))
                case rsa.RSAPublicKey():
                    self._key.verify(signature, message, padding.PKCS1v15(), SHA256())
                case _:
                    self._key.verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
