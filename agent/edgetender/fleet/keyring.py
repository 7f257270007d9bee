"""Where do the keys lie that say what runs? A folder on the signers' machine, never on a device."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgetender import durable
from edgetender.codec import MAX_BYTES, canonical
from edgetender.errors import CredentialUnusable, NotFound, Permanent
from edgetender.model.signed import ROOT_SCHEMA, ROOT_TYPE, Root, root_of
from edgetender.secret import Secret
from edgetender.trust.ed25519 import SigningKey
from edgetender.trust.envelope import sealed
from edgetender.trust.verification import first_root, next_root

ROLES = ("root", "manifest")
Document = dict[str, Any]


class Keyring:
    """`root.json`, each `root.<version>.json` before it, and `<name>.key` per private key (0600).

    Every change makes the next root document, signed by the keys that are here and by *more* key files; it is
    verified as a device would before it is written. Raises NotFound where too few of the root keys are here.
    """

    def __init__(self, folder: Path, password: Secret | None = None, more: Iterable[Path] = ()) -> None:
        self.folder, self._password, self._more = folder, password, tuple(more)

    @property
    def root_file(self) -> Path:
        return self.folder / "root.json"

    def root(self) -> Root:
        """The newest root document. Raises NotFound, TrustRefused."""
        return first_root(read(self.root_file))

    def begin(self, counts: dict[str, int], thresholds: dict[str, int]) -> Root:
        """Make so many keys of each role, and root version 1. Raises Permanent where there are some."""
        if self.root_file.exists():
            raise Permanent(
                f"cannot begin in {self.folder}: a root is here already; edgetender keys rotate renews its keys"
            )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = {role: [self._make(f"{role}-{n}") for n in range(1, counts[role] + 1)] for role in ROLES}
        document: Document = {
            "schema": ROOT_SCHEMA,
            "version": 1,
            "epoch": 1,
            "keys": {key.keyid: _public(key, name) for pairs in made.values() for name, key in pairs},
            "roles": {
                role: {"keys": [key.keyid for _, key in made[role]], "threshold": thresholds[role]}
                for role in ROLES
            },
            "revoked": [],
        }
        root_of(document)  # thresholds that can never be met are refused before anything is signed
        body = sealed(ROOT_TYPE, canonical(document), [key for _, key in made["root"]])
        root = first_root(body)
        self._keep(root, body)
        return root

    def rotate(
        self, name: str, *, revoke: bool = False, replace: bool = True, new_epoch: bool = False
    ) -> Root:
        """The next root, in which a new key stands for *name*, or none does; *revoke* says why it went."""
        current = self.root()
        document: Document = current.model_dump(mode="json", by_alias=True)
        old = next((keyid for keyid, key in current.keys.items() if name in (key.name, keyid)), None)
        role = next((r for r in ROLES if old in document["roles"][r]["keys"]), None)
        if old is None or role is None:
            known = sorted(current.keys[k].name for r in ROLES for k in document["roles"][r]["keys"])
            raise NotFound(f"cannot find the key {name!r}: in use are {', '.join(known)}")
        keys = document["roles"][role]["keys"]
        keys.remove(old)
        fresh = (_unused(role, current), SigningKey.made()) if replace else None
        if fresh is not None:
            name, key = fresh
            document["keys"][key.keyid] = _public(key, name)
            keys.append(key.keyid)
        if revoke:
            document["revoked"].append(old)  # its public part stays: who signed with it is then told so
        else:
            del document["keys"][old]
        return self._next(current, document, fresh, new_epoch=new_epoch)

    def begin_epoch(self) -> Root:
        """The next root, from which on versions of manifests begin anew."""
        current = self.root()
        return self._next(current, current.model_dump(mode="json", by_alias=True), None, new_epoch=True)

    def _next(
        self, current: Root, document: Document, fresh: tuple[str, SigningKey] | None, *, new_epoch: bool
    ) -> Root:
        document["version"] += 1
        document["epoch"] += new_epoch
        wanted = {*current.roles.root.keys, *document["roles"]["root"]["keys"]}
        here = (*self._here(), *((fresh[1],) if fresh is not None else ()))
        signers = {key.keyid: key for key in here if key.keyid in wanted}
        at_hand = sorted(current.keys[keyid].name for keyid in signers.keys() & current.roles.root.keys)
        if len(at_hand) < (needed := current.roles.root.threshold):
            only = f"{', '.join(at_hand)} alone" if at_hand else "none"
            why = f"of its root keys {only} can be used here ({self.folder}), and {needed} must sign"
            raise NotFound(
                f"cannot sign root version {document['version']}: {why}; bring others with --key FILE"
            )
        body = sealed(ROOT_TYPE, canonical(document), signers.values())
        root = next_root(current, body)
        if fresh is not None:  # not before: who brings what was missing shall not find a key in the way
            self._write(*fresh)
        self._keep(root, body)
        return root

    def _here(self) -> Iterable[SigningKey]:
        for path in (*sorted(self.folder.glob("root-*.key")), *self._more):
            yield load_key(path, self._password)

    def _make(self, name: str) -> tuple[str, SigningKey]:
        key = SigningKey.made()
        self._write(name, key)
        return name, key

    def _write(self, name: str, key: SigningKey) -> None:
        path = self.folder / f"{name}.key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Permanent(f"cannot write {path}: {error.strerror}") from None
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key.pem(self._password))

    def _keep(self, root: Root, body: bytes) -> None:
        write(self.folder / f"root.{root.version}.json", body)
        write(self.root_file, body)


def load_key(path: Path, password: Secret | None) -> SigningKey:
    """Raises NotFound, CredentialUnusable."""
    key = SigningKey.from_pem(read(path), str(path), password)
    if path.stat().st_mode & 0o077:
        raise CredentialUnusable(f"cannot use the key {path}: others can read it; run: chmod 600 {path}")
    return key


def read(path: Path) -> bytes:
    """Raises NotFound."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from None


def write(path: Path, body: bytes) -> None:
    """Whole or not at all, readable by all. Raises Permanent."""
    try:
        durable.replace(path, body, mode=0o644)
    except OSError as error:
        raise Permanent(f"cannot write {path}: {error.strerror}") from None


def _public(key: SigningKey, name: str) -> Document:
    return {"type": "ed25519", "public": key.public, "name": name}


def _unused(role: str, root: Root) -> str:
    numbers = [
        int(key.name.rpartition("-")[2]) for key in root.keys.values() if key.name.startswith(f"{role}-")
    ]
    return f"{role}-{max(numbers, default=0) + 1}"
