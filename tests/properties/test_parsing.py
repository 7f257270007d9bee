"""Whatever comes in from outside is read or refused: by every reader there is, in our own words, in less than a second.

The same 3,200 cases at each run; `EDGETENDER_EFFORT=67` makes them 214,400 others.
"""

from __future__ import annotations

import gc
import json
import re
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.api.routes import ROUTES, Call
from edgetender.codec import decode
from edgetender.convert.iotedge import convert, delivered, is_iotedge
from edgetender.documents import load_document
from edgetender.errors import AgentError, TrustRefused
from edgetender.fleet.image_signatures import BUNDLE, IN_TOTO, JOSE, SIMPLE, claims_in
from edgetender.model.policy import policy_of
from edgetender.model.reading import read_manifest
from edgetender.trust.credentials import _parsed
from edgetender.trust.public_keys import PublicKey
from edgetender.trust.verification import first_root, succession, verify
from tests.builders.effort import examples
from tests.builders.hostile import POLICY
from tests.builders.iotedge import OPTIONS, edge_agent, edge_deployment, edge_module, layer
from tests.builders.manifests import manifest, module
from tests.builders.signing import Keys, deployment, signed, signed_root, trusted
from tests.fakes.clock import NOON
from tests.fakes.house import FakeHouse

KEYS = Keys()
ROOT = trusted(KEYS)
CASES = 200  # of each reader
LONGEST_S = 1.0
EDGE = edge_deployment(scorer=edge_module(options=OPTIONS, env={"A": {"value": "1"}}))
FULL = manifest(
    3,
    scorer=module(
        env={"A": "1"}, ports=["127.0.0.1:6000:5001"], volumes=[{"name": "v", "path": "/v"}], command=["x"],
        resources={"memory": "64MiB", "cpus": 1.5, "pids": 10}, secrets=["camera"], capabilities=["SETUID"],
        health={"http": {"port": 5001, "path": "/"}, "deadline": "9s"},
    ),
    other={"variants": [{"name": "x", "image": "r.example/i:1", "requires": {"accelerator": "nvidia"}}]},
)  # fmt: skip

# what bytes are made of that mean something to one of the readers
WORDS = [
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"true", b"1e999", b"-0", b"NaN", b"\\u0000", b"\\ud800", b"\xff",
    b"\xef\xbb\xbf", b"\x00", b"'", b"\n", b"\r\n", b"- ", b"&a ", b"*a", b"!!python/object", b"%", b"=", b"==", b"-_", b"9" * 40,
    b"schema", b"version", b"modules", b"payload", b"payloadType", b"signatures", b"sig", b"keyid", b"$version",
    b"HostConfig", b"hostconfig", b"Binds", b"/:/host", b"../..", b"createOptions", b"image", b"@sha256:", b"privileged",
]  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """One of *seeds* with pieces of it cut out, said twice, or written over."""
    body = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        first = draw(st.integers(0, len(body)))
        last = min(len(body), first + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        put = draw(
            st.sampled_from([*WORDS, body[first:last] * 2, bytes(reversed(body[first:last]))])
            | st.binary(max_size=6)
        )
        body = body[:first] + put + body[last:]
    return body


def raw(*documents: Any) -> tuple[bytes, ...]:
    return tuple(one if isinstance(one, bytes) else json.dumps(one).encode() for one in documents)


def _read_api(body: bytes) -> None:
    """Each route with this body, and this text in its path and its query."""
    house, text = FakeHouse(), body[:60].decode("latin-1")
    for route in ROUTES:
        if route.path in ("/v1/live", "/v1/page"):
            continue
        call = Call(
            MappingProxyType(dict.fromkeys(re.findall(r"{(\w+)}", route.path), text)),
            MappingProxyType({"limit": text, "tail": text, "since": text}),
            body,
            "cli (uid 0)",
        )
        with suppress(AgentError):
            route.endpoint(house, call)


def _read_policy(body: bytes) -> None:
    with suppress(ValueError):  # the reader of the file says where
        policy_of(tomllib.loads(body.decode()), "policy.toml")


def _read_reference(body: bytes) -> None:
    read_manifest(json.dumps(manifest(1, a=module(image=body.decode("latin-1")))).encode())


def _convert(*documents: Any) -> None:
    """As its callers do: what is none is refused before."""
    if all(map(is_iotedge, documents)):
        convert(documents, version=1)


def _read_claims(body: bytes) -> None:
    """As the manifest of a signature, and as each kind of blob in it."""
    list(claims_in(body, lambda _: body))
    for kind in (SIMPLE, f"{BUNDLE}.v0.3+json", JOSE):
        notes = {"dev.cosignproject.cosign/signature": "AAAA"}
        layers = [{"mediaType": kind, "digest": "sha256:0", "annotations": notes}]
        assert len(list(claims_in(json.dumps({"layers": layers}).encode(), lambda _: body))) == 1


CLAIMS = (
    {"protected": "e30", "payload": "e30", "signature": "AAAA", "header": {"x5c": ["AAAA"]}},
    {"layers": [{"mediaType": SIMPLE, "digest": "sha256:0", "annotations": {}}]},
    {
        "critical": {
            "image": {"docker-manifest-digest": "sha256:0"},
            "type": "cosign container image signature",
        }
    },
    {
        "verificationMaterial": {},
        "dsseEnvelope": {"payload": "e30=", "payloadType": IN_TOTO, "signatures": [{"sig": "AAAA"}]},
    },
)

CREDENTIALS = (
    {"username": "line3", "password": "x"},
    {
        "kind": "acr",
        "tenant": "contoso.example",
        "client_id": "c",
        "client_secret": "s",
        "registry": "r.example",
    },
    {"kind": "acr", "identity": "managed"},
    {"kind": "oauth2", "token_url": "https://login.example/token", "client_id": "c", "client_secret": "s"},
    {"kind": "helper", "helper": "ecr-login"},
)

READERS: dict[str, tuple[Callable[[bytes], object], tuple[bytes, ...]]] = {
    "envelope": (lambda body: verify(body, ROOT, NOON), raw(signed(KEYS), signed(KEYS, deployment(FULL)))),
    "payload": (
        lambda body: verify(signed(KEYS, body or b"x"), ROOT, NOON), raw(deployment(FULL), deployment())),
    "first root": (first_root, raw(signed_root(KEYS))),
    "next root": (lambda body: succession(ROOT, body), raw(signed_root(KEYS, version=2), signed_root(KEYS))),
    "manifest": (read_manifest, raw(FULL, manifest(1))),
    "manifest of a person": (
        load_document, raw(FULL, b"schema: edgetender/v1\nversion: 1\nmodules:\n  a: &x {image: r.example/a:1}\n  b: *x\n")),
    "image reference": (_read_reference, (b"registry.example/team/model:1.0", b"r.example:5000/a/b@sha256:" + b"a" * 64)),
    "policy": (_read_policy, (POLICY.encode(),)),
    "iot edge": (lambda body: _convert(decode(body)), raw(EDGE, edge_agent(scorer=edge_module()))),
    "iot edge, layers": (lambda body: _convert(EDGE, decode(body)), raw(layer(scorer=edge_module()))),
    "iot edge, a twin": (
        lambda body: delivered(decode(body)), raw(edge_agent(scorer=edge_module(options=OPTIONS)) | {"$version": 4})),
    "create options": (
        lambda body: convert([edge_deployment(a=edge_module(options=body.decode("latin-1")))], version=1), raw(OPTIONS)),
    "api": (_read_api, raw({"to": 7}, {"floor": 7}, {"action": "pin", "variant": "x"}, {"ids": ["dns"], "fix": False}, FULL)),
    "image signature": (_read_claims, raw(*CLAIMS)),
    "credential": (lambda body: _parsed("x", Path("x"), body), raw(*CREDENTIALS)),
    "public key": (lambda body: PublicKey.from_pem(body, "x.pub"), (b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",)),
}  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", READERS)
def test_no_bytes_are_more_than_a_refusal(name: str):
    reader, seeds = READERS[name]

    @examples(CASES)
    @given(changed(seeds) | st.binary(max_size=80))
    def try_it(body: bytes) -> None:
        gc.disable()  # of 100,000 cases there is much to collect, and that is not the reader's time
        try:
            began = time.process_time()
            with suppress(AgentError):
                reader(body)
            assert time.process_time() - began < LONGEST_S
        finally:
            gc.enable()

    try_it()


@pytest.mark.parametrize("name", READERS)
def test_what_is_changed_in_there_is_read_when_it_is_not(name: str):
    """Else the cases would all end at the first word."""
    reader, seeds = READERS[name]
    read = 0
    for seed in seeds:
        try:
            reader(seed)
        except TrustRefused as refused:
            read += {one.code for one in refused.problems} <= {"signature.invalid"}
        except AgentError:
            continue
        else:
            read += 1
    assert read or name == "public key"
