"""Signatures of notation: by whom the authority certified, for code, now, and about this image."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgetender.clock import rfc3339
from edgetender.errors import CredentialUnusable
from edgetender.fleet.image_signatures import JOSE, claims_in
from edgetender.trust.code_signing import Authority
from tests.builders.manifests import DIGEST
from tests.fakes.clock import NOON
from tests.services.notation import DAY, EXPIRY, SCHEME, Issued

ROOT = Issued("root")
MANIFEST = json.dumps({"layers": [{"mediaType": JOSE, "digest": DIGEST}]}).encode()


def holds(body: bytes, trusted: Issued = ROOT, now: datetime = NOON) -> bool:
    """Whether the signature *body* says that the image of DIGEST was signed by whom *trusted* certified."""
    (claim,) = claims_in(MANIFEST, lambda _: body)
    return claim.is_by(Authority([trusted.certificate], "ca.crt"), now) and claim.digest == DIGEST


def test_who_was_certified_for_code_vouches_for_the_image():
    assert holds(Issued("signer", ROOT).sign(DIGEST))
    assert holds(Issued("signer", ROOT, key=rsa.generate_private_key(65537, 2048)).sign(DIGEST))
    assert holds(Issued("signer", Issued("between", ROOT, ca=True)).sign(DIGEST))


def test_a_chain_may_leave_its_root_out_or_end_at_the_signer_that_is_trusted():
    signer = Issued("signer", Issued("between", ROOT, ca=True))
    signer.chain = signer.chain[:2]
    assert holds(signer.sign(DIGEST))
    alone = Issued("alone", None, ca=False)
    assert holds(alone.sign(DIGEST), trusted=alone)


@pytest.mark.parametrize(
    ("why", "signer"),
    [
        ("another authority", Issued("signer", Issued("other"))),
        ("not for code", Issued("signer", ROOT, use=ExtendedKeyUsageOID.SERVER_AUTH)),
        ("not for signing", Issued("signer", ROOT, signs=False)),
        ("it ended", Issued("signer", ROOT, until=NOON)),
        ("it has not begun", Issued("signer", ROOT, since=NOON + DAY)),
        ("who certified it ended", Issued("signer", Issued("between", ROOT, ca=True, until=NOON - DAY))),
        ("who certified it is no authority", Issued("signer", Issued("between", ROOT))),
        ("too deep", Issued("signer", Issued("b", Issued("a", ROOT, ca=True, depth=0), ca=True))),
        ("a key too short", Issued("signer", ROOT, key=rsa.generate_private_key(65537, 1024))),
    ],
)  # fmt: skip
def test_nobody_else_does(why: str, signer: Issued):
    assert not holds(signer.sign(DIGEST)), why


def test_a_chain_is_not_believed_because_of_its_names():
    real, fake = Issued("signer", ROOT), Issued("signer", Issued("root"))
    fake.chain = (fake.certificate, ROOT.certificate)
    assert holds(real.sign(DIGEST))
    assert not holds(fake.sign(DIGEST))
    fake.chain = real.chain  # another's certificate, without its key
    assert not holds(fake.sign(DIGEST))


@pytest.mark.parametrize(
    "more",
    [
        {"alg": "none"}, {"alg": "HS256"}, {"alg": "PS256"}, {"crit": [SCHEME, "x"], "x": 1}, {SCHEME: "notary.x509.signingAuthority"},
        {EXPIRY: rfc3339(NOON)}, {EXPIRY: "soon"}, {"crit": 7},
    ],
)  # fmt: skip
def test_a_head_that_says_something_else_is_no_signature(more: dict[str, object]):
    assert not holds(Issued("signer", ROOT).sign(DIGEST, **more))


def test_what_is_signed_is_this_image_as_it_was_signed():
    body = Issued("signer", ROOT).sign(DIGEST)
    assert not holds(Issued("signer", ROOT).sign(f"sha256:{'b' * 64}"))
    for key in ("payload", "protected", "signature"):
        document = json.loads(body)
        document[key] = document[key][:20] + ("A" if document[key][20] != "A" else "B") + document[key][21:]
        assert not holds(json.dumps(document).encode())
    for part in ({"header": {}}, {"header": {"x5c": []}}, {"header": {"x5c": ["AAAA"]}}, {"signature": ""}):
        assert not holds(json.dumps(json.loads(body) | part).encode())


def test_a_file_of_several_authorities_is_read_and_one_of_none_is_said(tmp_path: Path):
    other = Issued("other")
    both = ROOT.write(tmp_path / "a").read_bytes() + other.write(tmp_path / "b").read_bytes()
    (claim,) = claims_in(MANIFEST, lambda _: Issued("signer", other).sign(DIGEST))
    assert claim.is_by(Authority.from_pem(both, "both.crt"), NOON)
    with pytest.raises(CredentialUnusable, match="it is none in PEM"):
        Authority.from_pem(b"-----BEGIN CERTIFICATE-----\nx", "x.crt")
