"""Is what lies in the inbox free of registry passwords, and are these where the manifest looks for them?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgetender.codec import canonical
from edgetender.convert.iotedge import convert
from edgetender.convert.passwords import parted
from edgetender.model.image import Credential
from edgetender.receiving import Inbox
from tests.builders.iotedge import edge_agent, edge_deployment, edge_module
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

LOGIN = {"address": "registry.example", "username": "pull", "password": "hunter2"}


def twin(**credentials: Any) -> dict[str, Any]:
    found = edge_agent(scorer=edge_module()) | {"$version": 3}
    found["runtime"]["settings"]["registryCredentials"] = credentials or {"Corp": LOGIN}
    return found


def layered() -> dict[str, Any]:
    flat = {"properties.desired.runtime.settings.registryCredentials.r1": LOGIN}
    one = {"properties.desired.runtime.settings.registryCredentials.r1.password": "hunter2"}
    return {"content": {"modulesContent": {"$edgeAgent": flat | one}}}


def in_a_file() -> dict[str, Any]:
    document = edge_deployment()
    settings = document["modulesContent"]["$edgeAgent"]["properties.desired"]["runtime"]["settings"]
    settings["registryCredentials"] = {"r1": LOGIN}
    return document


@pytest.mark.parametrize("keeps", [True, False], ids=["open", "signed"])
@pytest.mark.parametrize(
    "body",
    [
        canonical(twin()),
        json.dumps(twin()).replace("registryC", "\\u0072egistryC").encode(),
        canonical(in_a_file()),
        canonical(layered()),
        canonical({"schema": "edgetender/v1", "registryCredentials": [{"r1": LOGIN}]}),
        canonical(twin())[:-1],
        canonical(twin()).partition(b"ter2")[0],
    ],
    ids=["twin", "escaped", "file", "layer", "manifest", "cut", "cut in it"],
)
def test_no_password_is_written_down(body: bytes, keeps: bool) -> None:
    store, kept = FakeStore(), list[Credential]()
    number = Inbox(store, FakeClock(), kept.append if keeps else None).deliver("manifest", "mqtt", body)
    (delivery,) = store.deliveries()
    assert delivery.id == number
    assert b"hun" not in delivery.body
    assert b'pull"' not in delivery.body
    assert b"hunter2" not in repr(kept).encode()
    assert not kept or keeps


def test_it_is_kept_under_the_name_that_the_manifest_has_for_it() -> None:
    bare, (credential,) = parted(canonical(twin()))
    converted = convert([json.loads(bare)], version=3).manifest
    assert converted == convert([twin()], version=3).manifest
    assert converted["registries"] == {"registry.example": {"credential": credential.name}}
    assert (credential.username, credential.password.reveal()) == ("pull", "hunter2")


def test_half_a_login_is_none() -> None:
    found = parted(canonical(twin(r1=LOGIN | {"password": ""}, r2={"username": "pull"}, r3=7, r4=LOGIN)))
    assert [one.name for one in found[1]] == ["r4"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"schema": "edgetender/v1",  "modules": {"a": {"env": {"username": "x", "password": "y"}}}}',
        b'{"payload": "e30=", "signatures": []}',
        b'no JSON: "password": "x"',
        b"[" * 100_000,
        b"",
    ],
    ids=["manifest", "envelope", "text", "deep", "nothing"],
)
def test_what_carries_none_is_kept_byte_for_byte(body: bytes) -> None:
    assert parted(body) == (body, ())
