"""Whose word counts: envelopes, keys, thresholds, and one root document after the other."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.errors import TrustRefused
from edgetender.model.signed import DEPLOYMENT_TYPE, ROOT_TYPE
from edgetender.trust.ed25519 import SigningKey
from edgetender.trust.envelope import read_envelope, sealed, signed_bytes
from edgetender.trust.verification import first_root, next_root, verify
from tests.builders.effort import examples
from tests.builders.signing import Keys, deployment, root_document, signed, signed_root, trusted
from tests.fakes.clock import NOON

KEYS = Keys()
ROOT = trusted(KEYS)


def refused(body: bytes, root: Any = ROOT) -> list[str]:
    with pytest.raises(TrustRefused) as caught:
        verify(body, root, NOON)
    return [f"{problem.path} {problem.code}".strip() for problem in caught.value.problems]


def altered(body: bytes, **more: Any) -> bytes:
    return json.dumps(json.loads(body) | more).encode()


def test_what_a_trusted_key_signed_is_read_as_it_was_signed():
    found = verify(signed(KEYS), ROOT, NOON)

    assert found.manifest == deployment()["manifest"]
    assert found.targets.devices == ("cam7",)


def test_the_signed_bytes_are_those_of_the_specification():
    # the example of DSSE's protocol.md
    assert signed_bytes("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_signature_is_that_of_rfc_8032():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = SigningKey(Ed25519PrivateKey.from_private_bytes(seed))

    assert key.public == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e0652249015")


def vectors() -> dict[str, tuple[bytes, str]]:
    """What is refused, and its path and code."""
    good = signed(KEYS)
    envelope = json.loads(good)
    trust_me = {"keyid": KEYS["manifest-1"].keyid}
    (signature,) = envelope["signatures"]
    by_stranger = json.loads(signed(KEYS, by=["stranger"]))["signatures"][0]
    unsigned = json.dumps(deployment()["manifest"]).encode()
    flat = base64.b64encode(b"{}").decode()
    return {
        "unsigned": (unsigned, "signature.missing"),
        "a list": (b"[]", "signature.missing"),
        "nothing": (b"", "json.malformed"),
        "no signatures": (altered(good, signatures=[]), "signatures signature.missing"),
        "signatures are no list": (altered(good, signatures={}), "signatures type.array"),
        "unknown key": (signed(KEYS, by=["stranger"]), "signatures signature.invalid"),
        "a trusted key's id with another's signature": (
            altered(good, signatures=[by_stranger | trust_me]),
            "signatures signature.invalid",
        ),
        "another key's id with the trusted signature": (
            altered(good, signatures=[signature | {"keyid": KEYS["root-1"].keyid}]),
            "signatures signature.invalid",
        ),
        "a root key signs a deployment": (
            signed(KEYS, by=["root-1", "root-2"]),
            "signatures signature.other_role",
        ),
        "a root document as a deployment": (
            signed(KEYS, root_document(KEYS), payload_type=ROOT_TYPE),
            "payloadType signature.type_mismatch",
        ),
        "another payload": (altered(good, payload=flat), "signatures signature.invalid"),
        "another type": (altered(good, payloadType=ROOT_TYPE), "signatures signature.invalid"),
        "the type is no text": (altered(good, payloadType=1), "payloadType type.string"),
        "an unknown key": (altered(good, alg="none"), "alg key.unknown"),
        "without a type": (json.dumps({"payload": flat, "signatures": []}).encode(), "payloadType key.missing"),
        "base64 with spare bits": (altered(good, payload="QR=="), "payload base64.malformed"),
        "base64 with spaces": (altered(good, payload=f" {flat}"), "payload base64.malformed"),
        "base64 of the web": (altered(good, payload="-_-_"), "payload base64.malformed"),
        "payload is no text": (altered(good, payload=None), "payload type.string"),
        "a short signature": (
            altered(good, signatures=[{"sig": flat}]),
            "signatures[0].sig signature.malformed",
        ),
        "a signature with more to say": (
            altered(good, signatures=[signature | {"alg": "none"}]),
            "signatures[0] signature.malformed",
        ),
        "seventeen signatures": (altered(good, signatures=[signature] * 17), "signatures signature.too_many"),
        "keys given twice": (
            good.replace(b'"payload":', b'"payload":"","payload":', 1),
            "payload json.duplicate_key",
        ),
        "signed, and twice a key": (
            signed(KEYS, b'{"schema":1,"schema":2}'),
            "schema json.duplicate_key",
        ),
        "signed, and too deep": (signed(KEYS, b"[" * 40), "json.depth"),
        "signed, of another schema": (signed(KEYS, {"schema": "edgetender/deployment/v2"}), "schema schema.unknown"),
        "signed, with an unknown key": (signed(KEYS, deployment(priority=1)), "priority key.unknown"),
        "signed, without a time zone": (
            signed(KEYS, deployment(not_after="2026-11-25T00:00:00")),
            "not_after value_error",
        ),
        "signed, version 0": (signed(KEYS, deployment(epoch=0)), "epoch greater_than_equal"),
        "larger than anything read": (b" " * 300_000, "json.oversized"),
    }  # fmt: skip


@pytest.mark.parametrize("name", vectors())
def test_a_bad_envelope_is_refused_with_its_path_and_code(name: str):
    body, expected = vectors()[name]

    assert refused(body) == [expected]


def test_a_signature_counts_without_the_id_of_its_key():
    body = signed(KEYS)
    (signature,) = json.loads(body)["signatures"]

    assert verify(altered(body, signatures=[{"sig": signature["sig"]}]), ROOT, NOON)


def test_one_key_that_signs_twice_is_one_key():
    root = trusted(KEYS, manifest=["manifest-1", "manifest-2"], threshold=2)

    assert refused(signed(KEYS, by=["manifest-1", "manifest-1"]), root) == ["signatures signature.threshold"]
    assert verify(signed(KEYS, by=["manifest-1", "manifest-2"]), root, NOON)


def test_a_revoked_key_is_named():
    root = trusted(KEYS, version=2, manifest=["manifest-2"], revoked=["manifest-1"])

    assert refused(signed(KEYS), root) == ["signatures signature.revoked"]


def test_a_key_that_ended_signs_no_more():
    assert refused(signed(KEYS), trusted(KEYS, ended=["manifest-1"])) == ["signatures signature.key_ended"]


def test_64_flipped_bits_are_64_refusals():
    body = signed(KEYS)
    bits = range(0, len(body) * 8, len(body) * 8 // 64)

    assert [bit for bit in bits if not refused(flipped(body, bit))] == []
    assert len(bits) >= 64


def test_no_flipped_bit_of_what_decides_is_taken():
    """Payload, type and signature as they are decoded: every bit of them."""
    envelope = read_envelope(signed(KEYS))
    payload, kind, sig = envelope.payload, envelope.payload_type.encode(), envelope.signatures[0].value

    for part in (payload, kind, sig):
        for bit in range(0, len(part) * 8, 5):
            changed = [flipped(one, bit) if one is part else one for one in (payload, kind, sig)]
            if any(byte > 127 for byte in changed[1]):
                continue
            document = {
                "payload": base64.b64encode(changed[0]).decode(),
                "payloadType": changed[1].decode(),
                "signatures": [{"sig": base64.b64encode(changed[2]).decode()}],
            }
            assert refused(json.dumps(document).encode()) == ["signatures signature.invalid"]


def flipped(body: bytes, bit: int) -> bytes:
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@examples(1000)
@given(st.binary(max_size=400))
def test_no_bytes_are_more_than_a_refusal(body: bytes):
    assert refused(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_NAMES = st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid"])


@examples(600)
@given(st.dictionaries(_NAMES, _JSON | st.lists(st.dictionaries(_NAMES, _JSON))))
def test_no_envelope_is_more_than_a_refusal(document: Any):
    assert refused(json.dumps(document).encode())


@examples(400)
@given(_JSON | st.dictionaries(st.sampled_from(list(deployment())), _JSON))
def test_no_signed_payload_is_more_than_a_refusal(payload: Any):
    if isinstance(payload, dict):
        payload["schema"] = "edgetender/deployment/v1"

    assert refused(sealed(DEPLOYMENT_TYPE, json.dumps(payload).encode(), [KEYS["manifest-1"]]))


# --- the root


def refused_root(body: bytes, current: Any = ROOT) -> list[str]:
    with pytest.raises(TrustRefused) as caught:
        next_root(current, body)
    return [f"{problem.path} {problem.code}".strip() for problem in caught.value.problems]


def test_the_next_root_is_signed_by_the_old_threshold_and_by_the_new_one():
    new = {"version": 2, "root": ["root-2", "root-3", "root-4"]}
    signers = ["root-2", "root-3"]

    assert next_root(ROOT, signed_root(KEYS, signers, **new)).version == 2


@pytest.mark.parametrize(
    ("signers", "new", "expected"),
    [
        (["root-1", "root-2"], {"version": 3}, "version root.not_next"),
        (["root-1", "root-2"], {"version": 1}, "version root.not_next"),
        (["root-4", "root-5"], {"version": 2, "root": ["root-4", "root-5"]}, "signatures signature.invalid"),
        (
            ["root-1", "root-2"],
            {"version": 2, "root": ["root-4", "root-5"]},
            "signatures signature.invalid",
        ),
        (["root-1"], {"version": 2}, "signatures signature.threshold"),
        (["root-1", "root-1"], {"version": 2}, "signatures signature.threshold"),
        (["manifest-1"], {"version": 2}, "signatures signature.other_role"),
    ],
)
def test_a_root_that_does_not_follow_is_refused(signers: list[str], new: Any, expected: str):
    assert refused_root(signed_root(KEYS, signers, **new)) == [expected]


def test_an_epoch_never_falls_and_a_revoked_key_never_returns():
    now = trusted(KEYS, version=5, epoch=3, manifest=["manifest-2"], revoked=["manifest-1"])
    back = {"version": 6, "manifest": ["manifest-2"]}

    assert refused_root(signed_root(KEYS, **back, epoch=2, revoked=["manifest-1"]), now) == [
        "epoch root.epoch_falls"
    ]
    assert refused_root(signed_root(KEYS, **back, epoch=3), now) == ["revoked root.revoked_returns"]


def test_the_first_root_is_signed_by_itself():
    assert first_root(signed_root(KEYS)).version == 1
    with pytest.raises(TrustRefused, match="1 of the 2 keys"):
        first_root(signed_root(KEYS, ["root-1"]))


def test_a_key_cannot_stand_under_two_names():
    document = root_document(KEYS)
    document["keys"]["0" * 64] = {"type": "ed25519", "public": KEYS["root-1"].public, "name": "again"}
    document["roles"]["root"]["keys"].append("0" * 64)
    body = sealed(ROOT_TYPE, json.dumps(document).encode(), KEYS.of(["root-1", "root-2"]))

    with pytest.raises(TrustRefused, match="SHA-256 of its key"):
        first_root(body)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"root_threshold": 4}, "can never be"),
        ({"revoked": ["manifest-1"]}, "is revoked"),
        ({"root": ["root-1", "root-1"]}, "listed twice"),
    ],
)
def test_a_root_that_could_not_work_is_refused(change: Any, why: str):
    with pytest.raises(TrustRefused, match=why):
        trusted(KEYS, **change)


def test_a_private_key_prints_as_its_id():
    key = KEYS["manifest-1"]

    assert repr(key) == f"SigningKey({key.keyid[:12]})"
    assert SigningKey.from_pem(key.pem(), "manifest-1").keyid == key.keyid
