"""Who can sign, and is this signature theirs? The one place that knows the library of keys and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from edgetender.codec import sha256_hex
from edgetender.errors import CredentialUnusable
from edgetender.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_BYTES = 64


def verified(public: str, signature: bytes, message: bytes) -> bool:
    """Whether *signature* is that of *message* by the key whose 32 bytes are *public*, in hexadecimal."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def keyid_of(public: str) -> str:
    """The id of the key whose 32 bytes are *public*, in hexadecimal."""
    return sha256_hex(bytes.fromhex(public))


class SigningKey:
    """A private key; prints as its id. Nothing but `pem` lets it out."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw().hex()
        self.keyid = keyid_of(self.public)

    def __repr__(self) -> str:
        return f"SigningKey({self.keyid[:12]})"

    @classmethod
    def made(cls) -> Self:
        """A new one."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, body: bytes, name: str, password: Secret | None = None) -> Self:
        """Raises CredentialUnusable; never with what *body* holds."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(body, password.reveal().encode() if password else None)
        except TypeError:  # the library's way to say that a password is missing, or one too many
            why = (
                "it is encrypted; set EDGETENDER_KEY_PASSWORD"
                if password is None
                else "it is not encrypted, a password was given"
            )
            raise CredentialUnusable(f"cannot use the key {name}: {why}") from None
        except (ValueError, UnsupportedAlgorithm):
            raise CredentialUnusable(
                f"cannot use the key {name}: it is no private key in PEM, or its password is another"
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise CredentialUnusable(f"cannot use the key {name}: it is not of Ed25519")
        return cls(key)

    def pem(self, password: Secret | None = None) -> bytes:
        """PKCS #8, encrypted where a password is given."""
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        how = BestAvailableEncryption(password.reveal().encode()) if password else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)
