"""Which certificate does a front show? That of the credential its port names, checked, and kept in memory only.

A front is started by the engine, maybe while there is no agent: so the file stays where the front finds it again.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NoReturn, Protocol

from edgetender.errors import CredentialUnusable, EngineRefused
from edgetender.secret import Secret

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.+?-----END \1-----", re.DOTALL)
_MOST_BYTES = 15_000  # HAProxy takes 16 KiB in one command
_WANTED = "write certificate, chain and unencrypted key there as PEM"


class Keys(Protocol):
    """The device's credentials, and files in memory by folder. Threads: one."""

    def read(self, name: str) -> Secret:
        """Raises CredentialUnusable."""
        ...

    def put(self, folder: str, contents: Mapping[str, Secret]) -> Path:
        """Have just these in *folder*; return where that is. Raises CredentialUnusable, DiskFull."""
        ...

    def holds(self, folder: str, contents: Mapping[str, Secret]) -> bool:
        """Whether *folder* has these, as they are."""
        ...

    def clear(self, folder: str) -> None:
        """Remove it; gone already is done. Never raises."""
        ...


class Certificates:
    """Those of fronts, each front's in a folder of its own. Threads: one."""

    def __init__(self, keys: Keys | None) -> None:
        """Without *keys* no front is made that needs one."""
        self._keys = keys

    def read(self, names: Iterable[str]) -> dict[str, Secret]:
        """As they are now, each found to be a chain with its key. Raises CredentialUnusable, EngineRefused."""
        found = {name: _blocks(self._had().read(name)) for name in names}
        for name, pem in found.items():
            _check(name, pem)
        return found

    def lay(self, folder: str, certificates: Mapping[str, Secret]) -> Path | None:
        """Where the front finds them at its start; None for none. Raises CredentialUnusable, DiskFull."""
        if certificates:
            return self._had().put(folder, certificates)
        if self._keys is not None:
            self._keys.clear(folder)
        return None

    def laid(self, folder: str, certificates: Mapping[str, Secret]) -> bool:
        return self._had().holds(folder, certificates)

    def stale(self, folder: str, names: Collection[str]) -> bool:
        """Whether a credential is not what was laid; also one that cannot be read: then its reader says why."""
        if self._keys is None or not names:
            return False
        try:
            return not self._keys.holds(folder, {name: _blocks(self._keys.read(name)) for name in names})
        except CredentialUnusable:
            return True

    def _had(self) -> Keys:
        if self._keys is None:
            raise EngineRefused("cannot show a certificate: there is no place for keys here")
        return self._keys


def _blocks(secret: Secret) -> Secret:
    """What is PEM in it. An empty line would end HAProxy's command, and the rest be taken, and answered, as another."""
    text = "\n".join(found[0] for found in _BLOCK.finditer(secret.reveal()))
    return Secret("".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip()))


def _check(name: str, pem: Secret) -> None:
    """Raise CredentialUnusable unless OpenSSL takes it for a certificate with its key. On no disk."""

    def encrypted() -> NoReturn:
        raise _unusable(name, "its key is encrypted")

    body = pem.reveal().encode("utf-8", "surrogateescape")
    if len(body) > _MOST_BYTES:
        raise _unusable(name, f"it is longer than {_MOST_BYTES} bytes; leave the root out")
    file = os.memfd_create("certificate")
    try:
        with os.fdopen(file, "wb", closefd=False) as stream:
            stream.write(body)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"/proc/self/fd/{file}", password=encrypted)
    except ssl.SSLError as error:
        raise _unusable(name, _said(error, pem)) from None  # nobody needs OpenSSL's words for it
    finally:
        os.close(file)


def _said(error: ssl.SSLError, pem: Secret) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "its key is not that of its first certificate"
    kinds = [found[1] for found in _BLOCK.finditer(pem.reveal())]
    if "CERTIFICATE" not in kinds:
        return "it holds no certificate"
    if not any(kind.endswith("PRIVATE KEY") for kind in kinds):
        return "it holds no key"
    return "it cannot be read"


def _unusable(name: str, why: str) -> CredentialUnusable:
    return CredentialUnusable(f"cannot show the certificate of the credential {name!r}: {why}; {_WANTED}")
