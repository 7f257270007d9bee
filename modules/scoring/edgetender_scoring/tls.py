"""How is the scoring port encrypted? With a certificate from files; renewed ones count without a restart."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("edgetender_scoring")


class TlsUnusable(Exception):
    """The certificate and its key cannot be used."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the certificate (with its chain) and its key lie; PEM."""

    certificate: Path
    key: Path


class Certificate:
    """The context connections are made with. `refresh` looks whether the files have changed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._identity()
        self._load(self.context)

    def refresh(self) -> None:
        """Take renewed files for new connections; files that cannot be used leave it as it is."""
        identity = self._identity()
        if identity == self._seen:
            return
        self._seen = identity
        try:
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # first where it can do no harm
            self._load(self.context)
        except TlsUnusable as error:
            log.warning("the certificate stays as it is: %s", error)
        else:
            log.info("the certificate is read anew")

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._files.certificate, self._files.key, password="")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise TlsUnusable(f"{self._files.certificate}, {self._files.key}: {error}") from error

    def _identity(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stat(path) for path in (self._files.certificate, self._files.key))


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
