"""Who is who on the wire: one private authority, and a certificate for each part and device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keypair:
    """Where a certificate chain and its key lie, both PEM, the key 0600."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives as long as this object; only its certificate is written down."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.signer = trustme.CA()
        home.mkdir(parents=True, exist_ok=True)
        self.certificate = home / "ca.pem"
        self.signer.cert_pem.write_to_path(str(self.certificate))

    def issue(self, name: str, *hosts: str) -> Keypair:
        """A certificate whose common name is *name*, valid for *hosts* (none: a client's)."""
        issued = self.signer.issue_cert(*(hosts or (f"{name}.invalid",)), common_name=name)
        pair = Keypair(self._home / f"{name}.pem", self._home / f"{name}.key")
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(issued.private_key_pem.bytes())
        return pair
