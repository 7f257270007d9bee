"""Keys, roots and signed deployments in one line each: only the fact that matters is named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from edgetender.clock import rfc3339
from edgetender.model.signed import DEPLOYMENT_TYPE, ROOT_TYPE, Root, root_of
from edgetender.trust.ed25519 import SigningKey
from edgetender.trust.envelope import sealed
from tests.builders.manifests import manifest
from tests.fakes.clock import NOON


class Keys:
    """Private keys by name, made when they are first asked for."""

    def __init__(self) -> None:
        self._keys: dict[str, SigningKey] = {}

    def __getitem__(self, name: str) -> SigningKey:
        return self._keys.setdefault(name, SigningKey.made())

    def of(self, names: Iterable[str]) -> list[SigningKey]:
        return [self[name] for name in names]


def root_document(
    keys: Keys,
    *,
    root: Iterable[str] = ("root-1", "root-2", "root-3"),
    manifest: Iterable[str] = ("manifest-1",),
    root_threshold: int = 2,
    threshold: int = 1,
    version: int = 1,
    epoch: int = 1,
    revoked: Iterable[str] = (),
    ended: Iterable[str] = (),
) -> dict[str, Any]:
    root, manifest, revoked = list(root), list(manifest), list(revoked)
    named = {name: keys[name] for name in (*root, *manifest, *revoked)}
    return {
        "schema": "edgetender/root/v1",
        "version": version,
        "epoch": epoch,
        "keys": {
            key.keyid: {"type": "ed25519", "public": key.public, "name": name}
            | ({"not_after": rfc3339(NOON - timedelta(days=1))} if name in ended else {})
            for name, key in named.items()
        },
        "roles": {
            "root": {"keys": [keys[name].keyid for name in root], "threshold": root_threshold},
            "manifest": {"keys": [keys[name].keyid for name in manifest], "threshold": threshold},
        },
        "revoked": [keys[name].keyid for name in revoked],
    }


def trusted(keys: Keys, **more: Any) -> Root:
    """The root, without its signatures."""
    return root_of(root_document(keys, **more))


def signed_root(keys: Keys, signers: Iterable[str] = ("root-1", "root-2"), /, **more: Any) -> bytes:
    return sealed(ROOT_TYPE, json.dumps(root_document(keys, **more)).encode(), keys.of(signers))


def deployment(document: Any = None, /, **more: Any) -> dict[str, Any]:
    """The payload: by default version 1 for `cam7`, issued an hour before noon, for a day."""
    return {
        "schema": "edgetender/deployment/v1",
        "epoch": 1,
        "issued_at": rfc3339(NOON - timedelta(hours=1)),
        "not_after": rfc3339(NOON + timedelta(days=1)),
        "targets": {"devices": ["cam7"]},
        "manifest": manifest() if document is None else document,
    } | more


def signed(
    keys: Keys,
    payload: Any = None,
    *,
    by: Iterable[str] = ("manifest-1",),
    payload_type: str = DEPLOYMENT_TYPE,
) -> bytes:
    """An envelope; *payload* is a document, or bytes as they are."""
    payload = deployment() if payload is None else payload
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return sealed(payload_type, body, keys.of(by))
