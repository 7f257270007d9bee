"""What cosign leaves beside an image, made with a test's own keys and put into a real registry."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from edgetender.packaging.logins import Login
from edgetender.trust.envelope import signed_bytes
from edgetender.trust.public_keys import PublicKey
from tests.services.notation import Issued

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
KINDS = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


class Signer:
    """A key pair; its public half lies in a file, as cosign writes it."""

    def __init__(self, home: Path, kind: str = "ecdsa") -> None:
        self._key: Any = KINDS[kind]()
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public = home / f"{kind}-{hashlib.sha256(public).hexdigest()[:6]}.pub"
        self.public.write_bytes(public)

    @property
    def known(self) -> PublicKey:
        """As who verifies has it."""
        return PublicKey.from_pem(self.public.read_bytes(), str(self.public))

    def sign(self, message: bytes) -> str:
        match self._key:
            case ec.EllipticCurvePrivateKey():
                signature = self._key.sign(message, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPrivateKey():
                signature = self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            case _:
                signature = self._key.sign(message)
        return base64.b64encode(signature).decode()


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def bundle_of(digest: str, signer: Signer, *, about: str = "", predicate: str = SIGN, **more: Any) -> bytes:
    """The statement that *signer* signs the image *digest*, or *about*, in an envelope, with how to verify it."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": (about or digest).removeprefix("sha256:")}}],
        "predicateType": predicate,
        "predicate": {},
    }
    kind, payload = "application/vnd.in-toto+json", json.dumps(statement).encode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"sig": signer.sign(signed_bytes(kind, payload))}],
    }
    material = more.pop("material", {"publicKey": {"hint": "x"}})
    body = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope} | more
    return json.dumps(body).encode()


@dataclass
class Beside:
    """Writes into the *repository* of a registry whatever a test wants there."""

    login: Login
    repository: str

    def simple(self, digest: str, signer: Signer, *, about: str = "", **notes: str) -> None:
        """`cosign sign --key`, before its version 3: a manifest under a tag."""
        critical = {
            "identity": {"docker-reference": f"{self.login.address}/{self.repository}"},
            "image": {"docker-manifest-digest": about or digest},
            "type": "cosign container image signature",
        }
        payload = json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()
        signed = {"dev.cosignproject.cosign/signature": signer.sign(payload)} | notes
        self._manifest(f"{digest.replace(':', '-')}.sig", self._layer(payload, SIMPLE, signed))

    def bundle(self, digest: str, signer: Signer, **more: Any) -> None:
        """`cosign sign --key` since its version 3: a bundle that refers to the image, by the fallback tag."""
        self.refer(digest, self._layer(bundle_of(digest, signer, **more), BUNDLE, {}))

    def notation(self, digest: str, signer: Issued) -> None:
        """`notation sign`: an envelope that refers to the image."""
        self.refer(digest, self._layer(signer.sign(digest), "application/jose+json", {}))

    def garbage(self, digest: str, body: bytes) -> None:
        """Where a bundle would be."""
        self.refer(digest, self._layer(body, BUNDLE, {}))

    def refer(self, digest: str, layer: dict[str, Any]) -> None:
        subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
        pushed = self._manifest("", layer, artifactType=BUNDLE, subject=subject)
        self._put(
            digest.replace(":", "-"), {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [pushed]}
        )

    def _layer(self, body: bytes, kind: str, notes: dict[str, str]) -> dict[str, Any]:
        digest = digest_of(body)
        place = self._ask("POST", f"/v2/{self.repository}/blobs/uploads/").headers["Location"]
        self._ask("PUT", place, params={"digest": digest}, data=body)
        return {"mediaType": kind, "digest": digest, "size": len(body), "annotations": notes}

    def _manifest(self, name: str, layer: dict[str, Any], **more: Any) -> dict[str, Any]:
        config = self._layer(b"{}", "application/vnd.oci.empty.v1+json", {})
        return self._put(
            name, {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]} | more
        )

    def _put(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(document).encode()
        digest = digest_of(body)
        kind = {"Content-Type": document["mediaType"]}
        self._ask("PUT", f"/v2/{self.repository}/manifests/{name or digest}", data=body, headers=kind)
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(body)}

    def _ask(self, method: str, where: str, **more: Any) -> requests.Response:
        url = where if where.startswith("https:") else f"https://{self.login.address}{where}"
        password = self.login.password
        assert password is not None
        auth = (self.login.username or "", password.reveal())
        answer = requests.request(method, url, auth=auth, verify=str(self.login.ca_file), timeout=10, **more)
        assert answer.ok, answer.text
        return answer
