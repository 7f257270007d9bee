"""Who vouches for a hub that somebody started by hand? An authority of its own, which it keeps in a folder."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

_DAYS = 365


class HubAuthority:
    """The authority in *folder*: `ca.pem`, which devices need, and its key; both are made where there are none."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self._key_file = folder / "ca.pem", folder / "ca.key"
        self._folder = folder
        if not (self.certificate.exists() and self._key_file.exists()):
            self._make()
        key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{self._key_file} is no key that was made here")
        self._key = key

    def server(self, address: str) -> Path:
        """A certificate for *address* (an IP address or a host's name) and its key, in one file."""
        key, signed = self._issued(address, ExtendedKeyUsageOID.SERVER_AUTH, _name(address))
        file = self._folder / "server.pem"
        private_file(file, key + signed)
        return file

    def client(self, name: str) -> tuple[Path, Path]:
        """A certificate for the device *name*, and its key; *name* is a file's too."""
        key, signed = self._issued(name, ExtendedKeyUsageOID.CLIENT_AUTH)
        folder = self._folder / "certificates"
        folder.mkdir(mode=0o700, exist_ok=True)
        certificate, key_file = folder / f"{name}.pem", folder / f"{name}.key"
        private_file(key_file, key)
        certificate.write_bytes(signed)
        return certificate, key_file

    def _issued(
        self, name: str, usage: x509.ObjectIdentifier, *addresses: x509.GeneralName
    ) -> tuple[bytes, bytes]:
        """Key and certificate, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        built = _certificate(name, issuer.subject, key.public_key(), self._key.public_key(), authority=False)
        built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if addresses:
            built = built.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        return _pem(key), built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _subject("edgetender hub, for tests")
        built = _certificate(name, name, key.public_key(), key.public_key(), authority=True)
        signed = built.sign(key, hashes.SHA256())
        private_file(self._key_file, _pem(key))
        self.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def private_file(file: Path, content: bytes) -> None:
    """Write *file* so that nobody else can read it, at no moment."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content)


def _certificate(
    subject: str | x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    usage = {"key_cert_sign": authority, "crl_sign": authority, "digital_signature": True}
    unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    never = dict.fromkeys((*unused, "encipher_only", "decipher_only"), False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject if isinstance(subject, x509.Name) else _subject(subject))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # devices' clocks
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, **never), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])


def _name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
